import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { CliDeps } from './command.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addClientCommands } from './commands/clients.ts';
import { addCompletionCommands } from './commands/completion.ts';
import { addGrantCommands } from './commands/grants.ts';
import { addKeyCommands } from './commands/keys.ts';
import { addRegistrationTokenCommands } from './commands/registration-tokens.ts';
import { addResourceCommands } from './commands/resources.ts';
import { addSignInCommands } from './commands/sign-in.ts';
import { addTokenCommands } from './commands/tokens.ts';
import { addUserCommands } from './commands/users.ts';

const INTRODUCTION = `Administers a Portcullis server: its users, apps, protected servers, grants and keys.

Begin with \`portcullis login\`, which signs you in in your browser. It takes the role admin.`;

const FOOTER = `
Examples:
  portcullis login --issuer https://login.example.com
  portcullis users add --email ada@example.com --role agent
  portcullis clients list --state pending
  portcullis help clients register

Exit codes: 0 done, 1 refused, 2 used wrongly, 3 server not reached.

Environment:
  PORTCULLIS_ISSUER           the server, where --issuer does not name it
  PORTCULLIS_CLIENT_ID        the id of a machine that was registered with --admin, to
                              act as it instead of signing in; goes with the next one
  PORTCULLIS_CLIENT_KEY_FILE  the file of its private key, PEM or JWK`;

/** The whole command line; nothing runs before it is given arguments. */
export function createProgram(deps: CliDeps): Command {
  const program = new Command('portcullis')
    .description(INTRODUCTION)
    .option('--issuer <url>', 'the Portcullis server (default: the one you signed in to last)')
    .option('--json', 'answer in JSON')
    .option('--yes', 'do not ask before something is destroyed')
    .helpOption('-h, --help', 'show help')
    .version(versionOf(new URL('../package.json', import.meta.url)), '-V, --version', 'show the version')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: deps.terminal.write,
      writeErr: deps.terminal.note,
      outputError: (text, write) => write(text.replace(/^error: /, 'portcullis: ')),
    })
    .showSuggestionAfterError()
    .showHelpAfterError('Add --help to see how it is used.')
    .addHelpText('after', FOOTER)
    .exitOverride();
  addSignInCommands(program, deps);
  addUserCommands(program, deps);
  addClientCommands(program, deps);
  addResourceCommands(program, deps);
  addGrantCommands(program, deps);
  addTokenCommands(program, deps);
  addRegistrationTokenCommands(program, deps);
  addKeyCommands(program, deps);
  addAuditCommands(program, deps);
  addCompletionCommands(program, deps);
  return program;
}

function versionOf(packageFile: URL): string {
  return String(JSON.parse(readFileSync(packageFile, 'utf8')).version);
}
