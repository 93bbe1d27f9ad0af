import { isLoopbackHost } from '@portcullis/platform';
import type { Command } from 'commander';
import { accessToken } from './access-token.ts';
import { type AdminClient, createAdminClient } from './admin-client.ts';
import type { Config } from './config.ts';
import { type Credentials, credentialsIn } from './credentials.ts';
import { CommandFailure } from './failure.ts';
import { createOutput, type Output } from './output.ts';
import type { Terminal } from './terminal.ts';

/** What the command line is started with. */
export type CliDeps = { config: Config; terminal: Terminal };

/** What a command works with. */
export type CommandContext = CliDeps & {
  issuer: string;
  credentials: Credentials;
  api: AdminClient;
  out: Output;
  /** Asks before something is destroyed, unless `--yes` says it was meant. @throws {CommandFailure} for a no. */
  confirm(question: string): Promise<void>;
};

/** Options that every command has. */
type GlobalOptions = { issuer?: string; json?: boolean; yes?: boolean };

const DEFAULT_ISSUER = 'http://localhost:4000';

/** Makes what a command works with, out of its options. */
export function contextOf(command: Command, { config, terminal }: CliDeps): CommandContext {
  const { issuer: named, json = false, yes = false } = command.optsWithGlobals<GlobalOptions>();
  const credentials = credentialsIn(config.credentialsFile);
  const issuer = checkedIssuer(named ?? config.issuer ?? credentials.current() ?? DEFAULT_ISSUER);
  let token: Promise<string> | undefined;
  return {
    config,
    terminal,
    issuer,
    credentials,
    api: createAdminClient({
      issuer,
      token: ({ anew } = { anew: false }) => {
        if (anew || !token) token = accessToken(issuer, { config, credentials, anew });
        return token;
      },
    }),
    out: createOutput(terminal, { json }),
    async confirm(question) {
      if (yes) return;
      if (!terminal.canAsk) throw new CommandFailure('usage', `${question} Say so with --yes.`);
      const answer = await terminal.ask(`${question} [y/N] `);
      if (!/^y(es)?$/i.test(answer?.trim() ?? '')) throw new CommandFailure('refused', 'Nothing was done.');
    },
  };
}

function checkedIssuer(text: string): string {
  const problem = 'The issuer must be the URL of a Portcullis server, such as https://login.example.com.';
  if (!URL.canParse(text)) throw new CommandFailure('usage', problem);
  const { protocol, host, hostname, origin, pathname } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') throw new CommandFailure('usage', problem);
  const path = pathname.replace(/\/+$/, '');
  if (protocol === 'http:' && !isLoopbackHost(hostname))
    throw new CommandFailure('usage', `http is for this computer alone. Write https://${host}${path}`);
  return `${origin}${path}`;
}
