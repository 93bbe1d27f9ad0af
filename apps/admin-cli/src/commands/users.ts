import type { AdminAnswer } from '@portcullis/platform';
import type { Command } from 'commander';
import { collected, count } from '../arguments.ts';
import { type CliDeps, contextOf } from '../command.ts';
import { CommandFailure } from '../failure.ts';
import { type Output, shortTime } from '../output.ts';
import { readPages } from '../pages.ts';

const NAMED = 'an e-mail address or a user id';

/** users list, add, update, reset-password, disable, enable, identities, link, unlink. */
export function addUserCommands(program: Command, deps: CliDeps): void {
  const users = program.command('users').description('Who can sign in, and with which roles.');

  users
    .command('list')
    .description('List users.')
    .option('--limit <number>', 'how many at most', count, 100)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) => api.call('listUsers', { query }));
      out.table(items, {
        data: { items },
        empty: 'There is no user.',
        columns: [
          { title: 'E-MAIL', value: ({ email }) => email },
          { title: 'ROLES', value: ({ roles }) => roles.join(' ') },
          { title: 'STATE', value: stateOf },
          { title: 'ID', value: ({ id }) => id },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  users
    .command('add')
    .description('Add a user, and show a one-time link with which the person sets a password.')
    .requiredOption('--email <address>', 'the address to sign in with')
    .requiredOption('--role <role>', 'a role, such as agent, lead or admin; can be given several times', collected)
    .option('--password-stdin', 'read a password from standard input instead of making a link')
    .addHelpText('after', '\nExample:\n  portcullis users add --email ada@example.com --role agent')
    .action(
      async (
        { email, role, passwordStdin }: { email: string; role: string[]; passwordStdin?: true },
        command: Command,
      ) => {
        const { api, out, terminal } = contextOf(command, deps);
        const password = passwordStdin && (await terminal.readAll()).replace(/\r?\n$/, '');
        if (password === '') throw new CommandFailure('usage', 'Standard input held no password.');
        const body = { email, roles: role, ...(password !== undefined && { password }) };
        showUser(out, await api.call('addUser', { body }));
      },
    );

  users
    .command('update')
    .description('Change the address of a user, or replace all roles.')
    .argument('<user>', NAMED)
    .option('--email <address>', 'the new address')
    .option('--role <role>', 'a role, in place of all before; can be given several times', collected)
    .action(async (user: string, options: { email?: string; role?: string[] }, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const { email, role } = options;
      if (email === undefined && !role) throw new CommandFailure('usage', 'Say what to change: --email or --role.');
      const body = { ...(email !== undefined && { email }), ...(role && { roles: role }) };
      showUser(out, await api.call('updateUser', { params: { user }, body }));
    });

  users
    .command('reset-password')
    .description('Show a one-time link with which a user sets a new password. The old one works until then.')
    .argument('<user>', NAMED)
    .action(async (user: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command, deps);
      showUser(out, await api.call('resetPassword', { params: { user } }));
    });

  users
    .command('disable')
    .description('Keep a user from signing in, and apps from acting for that user.')
    .argument('<user>', NAMED)
    .action(async (user: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Disable ${user}?`);
      showUser(out, await api.call('disableUser', { params: { user } }));
    });

  users
    .command('enable')
    .description('Let a disabled user sign in again.')
    .argument('<user>', NAMED)
    .action(async (user: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command, deps);
      showUser(out, await api.call('enableUser', { params: { user } }));
    });

  addIdentityCommands(users, deps);
}

/** Accounts elsewhere with which users sign in, or from which apps are let in for them. */
function addIdentityCommands(users: Command, deps: CliDeps): void {
  users
    .command('identities')
    .description('List the accounts elsewhere that are a user here.')
    .argument('<user>', NAMED)
    .action(async (user: string, _options: object, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const { items } = await api.call('listIdentities', { params: { user } });
      out.table(items, {
        data: { items },
        empty: 'No account elsewhere is this user.',
        columns: [
          { title: 'IDENTITY PROVIDER', value: ({ identityProvider }) => identityProvider },
          { title: 'SUBJECT', value: ({ subject }) => subject },
          { title: 'CALLED', value: ({ label }) => label },
          { title: 'GIVES', value: ({ rolesGiven }) => rolesGiven.join(' ') || null },
          { title: 'LAST USED', value: ({ lastUsedAt }) => (lastUsedAt ? shortTime(lastUsedAt) : 'not yet') },
        ],
      });
    });

  const named = (name: 'link' | 'unlink') =>
    users
      .command(name)
      .argument('<user>', NAMED)
      .requiredOption('--identity-provider <issuer>', 'the issuer of the provider, as the configuration has it')
      .requiredOption('--subject <sub>', 'how the provider names the person: `sub`, exactly, and no e-mail address');

  named('link')
    .description('Make an account elsewhere a user here: whoever has that account is let in as this user.')
    .addHelpText(
      'after',
      '\nExample:\n  portcullis users link ada@example.com --identity-provider https://idp.example.com --subject 00u1a2b3c4',
    )
    .action(async (user: string, { identityProvider, subject }: IdentityOptions, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const answer = await api.call('linkIdentity', { params: { user }, body: { identityProvider, subject } });
      out.done(`${subject} at ${identityProvider} is ${answer.user.email} here now.`, answer);
    });

  named('unlink')
    .description('Take an account elsewhere from a user, with the roles that its groups gave. Nobody is signed out.')
    .action(async (user: string, { identityProvider, subject }: IdentityOptions, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Unlink ${subject} at ${identityProvider} from ${user}?`);
      const answer = await api.call('unlinkIdentity', { params: { user }, query: { identityProvider, subject } });
      const { rolesGiven } = answer.identity;
      const roles = rolesGiven.length > 0 ? `, and ${rolesGiven.join(' ')} went with it` : '';
      out.done(`${subject} at ${identityProvider} is nobody here any more${roles}.`, answer);
    });
}

type IdentityOptions = { identityProvider: string; subject: string };

type User = AdminAnswer<'enableUser'>['user'];

function showUser(out: Output, answer: AdminAnswer<'addUser'>): void {
  const { user, passwordLink } = answer;
  out.facts(
    {
      user: user.email,
      id: user.id,
      roles: user.roles.join(' ') || 'none',
      state: stateOf(user),
      'password link': passwordLink,
      ...(passwordLink !== undefined && { '': 'The link works once, for one hour. It is not shown again.' }),
    },
    answer,
  );
}

function stateOf({ disabledAt, hasPassword, signsInElsewhere }: User): string {
  if (disabledAt !== null) return `disabled since ${shortTime(disabledAt)}`;
  if (hasPassword) return 'active';
  return signsInElsewhere ? 'active, signs in elsewhere' : 'has set no password yet';
}
