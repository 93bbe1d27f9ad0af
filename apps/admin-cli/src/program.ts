import { Command } from 'commander';
import type { CliDeps } from './command.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addClientCommands } from './commands/clients.ts';
import { addGrantCommands } from './commands/grants.ts';
import { addRegistrationTokenCommands } from './commands/registration-tokens.ts';
import { addResourceCommands } from './commands/resources.ts';
import { addSignInCommands } from './commands/sign-in.ts';
import { addUserCommands } from './commands/users.ts';

const INTRODUCTION = `Administers a Portcullis server: its users, apps, protected servers and grants.

Begin with \`portcullis login\`, which signs you in in your browser. It takes the role admin.`;

const FOOTER = `
Exit codes: 0 done, 1 refused, 2 used wrongly, 3 server not reached.

Environment:
  PORTCULLIS_ISSUER           the server, where --issuer does not name it
  PORTCULLIS_CLIENT_ID        with PORTCULLIS_CLIENT_KEY_FILE, a private key (PEM or JWK): acts as a
                              machine that was registered with --admin, without a sign-in`;

/** The whole command line; nothing runs before it is given arguments. */
export function createProgram(deps: CliDeps): Command {
  const program = new Command('portcullis')
    .description(INTRODUCTION)
    .option('--issuer <url>', 'the Portcullis server (default: the one you signed in to last)')
    .option('--json', 'answer in JSON')
    .option('--yes', 'do not ask before something is destroyed')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: deps.terminal.write, writeErr: deps.terminal.note })
    .showSuggestionAfterError()
    .showHelpAfterError('Add --help to see how it is used.')
    .addHelpText('after', FOOTER)
    .exitOverride();
  addSignInCommands(program, deps);
  addUserCommands(program, deps);
  addClientCommands(program, deps);
  addResourceCommands(program, deps);
  addGrantCommands(program, deps);
  addRegistrationTokenCommands(program, deps);
  addAuditCommands(program, deps);
  return program;
}
