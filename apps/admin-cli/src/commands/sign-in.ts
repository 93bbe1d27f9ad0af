import type { Command } from 'commander';
import { collected } from '../arguments.ts';
import { revoke } from '../authorization-server.ts';
import { type CliDeps, contextOf } from '../command.ts';
import { shortTime } from '../output.ts';
import { signIn } from '../sign-in.ts';

/** login, logout, status. */
export function addSignInCommands(program: Command, deps: CliDeps): void {
  program
    .command('login')
    .description('Sign in, in your browser.')
    .option('--no-browser', 'show the address to open on any computer, and ask for the one at which it ends')
    .option(
      '--scope <scope>',
      'ask for this part of administration only, such as admin:users; can be given several times',
      collected,
    )
    .addHelpText('after', '\nExample:\n  portcullis login --issuer https://login.example.com')
    .action(async (options: { browser: boolean; scope?: string[] }, command: Command) => {
      const { issuer, credentials, api, out, config, terminal } = contextOf(command, deps);
      const tokens = await signIn({
        issuer,
        scopes: options.scope,
        useBrowser: options.browser,
        browser: config.browser,
        terminal,
      });
      credentials.save(issuer, tokens);
      const status = await api.call('status');
      out.done(`Signed in to ${issuer} as ${status.email ?? status.subject}: ${status.scopes.join(' ')}`, status);
    });

  program
    .command('logout')
    .description('Sign out: end the tokens at the server and forget them here.')
    .action(async (_options: object, command: Command) => {
      const { issuer, credentials, out } = contextOf(command, deps);
      const signedIn = credentials.find(issuer);
      credentials.remove(issuer);
      if (signedIn?.refreshToken !== undefined) await revoke(issuer, signedIn.refreshToken);
      out.done(signedIn ? `Signed out of ${issuer}.` : `You were not signed in to ${issuer}.`, {
        issuer,
        signedOut: signedIn !== undefined,
      });
    });

  program
    .command('status')
    .description('Show who you are at the server, and what you may do.')
    .action(async (_options: object, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const status = await api.call('status');
      out.facts(
        {
          server: status.issuer,
          'signed in as': status.email ?? `the machine ${status.clientId}`,
          roles: status.roles.join(' ') || null,
          'may use': status.scopes.join(' '),
          'token ends': shortTime(status.expiresAt),
        },
        status,
      );
    });
}
