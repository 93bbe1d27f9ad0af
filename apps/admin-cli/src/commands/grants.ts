import type { AdminAnswer } from '@portcullis/platform';
import type { Command } from 'commander';
import { count } from '../arguments.ts';
import { type CliDeps, contextOf } from '../command.ts';
import { shortTime } from '../output.ts';
import { readPages } from '../pages.ts';

type Grant = AdminAnswer<'revokeGrant'>['grant'];

/** grants list, revoke. */
export function addGrantCommands(program: Command, deps: CliDeps): void {
  const grants = program.command('grants').description('What users have allowed apps to do.');

  grants
    .command('list')
    .description('List grants, the newest first.')
    .option('--user <user>', 'only those of this user: an e-mail address or an id')
    .option('--client <id>', 'only those to this app')
    .option('--limit <number>', 'how many at most', count, 100)
    .action(async ({ limit, ...filter }: { limit: number; user?: string; client?: string }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) =>
        api.call('listGrants', { query: { ...filter, ...query } }),
      );
      out.table(items, {
        data: { items },
        empty: 'There is no such grant.',
        columns: [
          { title: 'USER', value: ({ userEmail, userId }) => userEmail ?? userId },
          { title: 'APP', value: ({ clientName, clientId }) => clientName ?? clientId },
          { title: 'ALLOWED', value: allowed },
          { title: 'BY', value: ({ identityProvider }) => identityProvider ?? 'the user' },
          { title: 'LAST USED', value: ({ lastUsedAt, issuedAt }) => shortTime(lastUsedAt ?? issuedAt) },
          { title: 'ID', value: ({ id }) => id },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  grants
    .command('revoke')
    .description('End a grant: the app has to ask the user again.')
    .argument('<grant>', 'the id that `portcullis grants list` shows')
    .action(async (grant: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Revoke the grant ${grant}?`);
      const answer = await api.call('revokeGrant', { params: { grant } });
      const { userEmail, userId, clientName, clientId } = answer.grant;
      out.done(`Revoked what ${userEmail ?? userId} had allowed ${clientName ?? clientId}.`, answer);
    });
}

function allowed({ resources }: Grant): string {
  return Object.entries(resources)
    .map(([resource, scopes]) => `${scopes.join(' ')} at ${resource}`)
    .join('; ');
}
