import type { AdminAnswer } from '@portcullis/platform';
import type { Command } from 'commander';
import { collected, count } from '../arguments.ts';
import { type CliDeps, contextOf } from '../command.ts';
import { shortTime } from '../output.ts';
import { readPages } from '../pages.ts';

type Token = AdminAnswer<'revokePersonalAccessToken'>['personalAccessToken'];

type IssueOptions = { name: string; user?: string; resource?: string; scope: string[]; days: number };

/** tokens issue, list, revoke. */
export function addTokenCommands(program: Command, deps: CliDeps): void {
  const tokens = program
    .command('tokens')
    .description('Personal access tokens, for apps that can only send a fixed header.');

  tokens
    .command('issue')
    .description('Make a token for one protected server. It is shown once.')
    .requiredOption('--name <name>', 'what it is for, so that you know it again')
    .requiredOption('--scope <scope>', 'what it may do there; can be given several times', collected)
    .option('--resource <url>', 'the protected server that it is for (default: the standard one)')
    .option('--user <user>', 'in whose name it acts: an e-mail address or an id (default: you)')
    .option('--days <number>', 'how long it lasts, 1 to 365', count, 90)
    .action(async ({ scope: scopes, ...options }: IssueOptions, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const answer = await api.call('issuePersonalAccessToken', { body: { ...options, scopes } });
      const { id, resource, userEmail, expiresAt } = answer.personalAccessToken;
      out.facts(
        {
          token: answer.token,
          id,
          'acts for': userEmail ?? answer.personalAccessToken.userId,
          at: resource,
          may: answer.personalAccessToken.scopes.join(' '),
          'valid until': shortTime(expiresAt),
          '': 'The token is not shown again.',
        },
        answer,
      );
    });

  tokens
    .command('list')
    .description('List tokens, the newest first. Their values are not known.')
    .option('--user <user>', 'only those of this user: an e-mail address or an id')
    .option('--limit <number>', 'how many at most', count, 100)
    .action(async ({ limit, ...filter }: { limit: number; user?: string }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) =>
        api.call('listPersonalAccessTokens', { query: { ...filter, ...query } }),
      );
      out.table(items, {
        data: { items },
        empty: 'There is no such token.',
        columns: [
          { title: 'USER', value: userOf },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'MAY', value: ({ scopes, resource }) => `${scopes.join(' ')} at ${resource}` },
          { title: 'LAST USED', value: ({ lastUsedAt }) => (lastUsedAt ? shortTime(lastUsedAt) : 'not yet') },
          { title: 'ENDS', value: ({ expiresAt }) => shortTime(expiresAt) },
          { title: 'ID', value: ({ id }) => id },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  tokens
    .command('revoke')
    .description('End a token. Protected servers refuse it within a second.')
    .argument('<token>', 'the id that `portcullis tokens list` shows')
    .action(async (token: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Revoke the personal access token ${token}?`);
      const answer = await api.call('revokePersonalAccessToken', { params: { token } });
      const { name } = answer.personalAccessToken;
      out.done(`Revoked the token “${name}” of ${userOf(answer.personalAccessToken)}.`, answer);
    });
}

function userOf({ userEmail, userId }: Token): string {
  return userEmail ?? userId;
}
