import { type Command, Option } from 'commander';
import { count, duration } from '../arguments.ts';
import { type CliDeps, contextOf } from '../command.ts';
import { shortTime } from '../output.ts';
import { readPages } from '../pages.ts';

/** registration-tokens issue, list, revoke. */
export function addRegistrationTokenCommands(program: Command, deps: CliDeps): void {
  const tokens = program
    .command('registration-tokens')
    .description('Tokens that let apps register, where the server asks for one.');

  tokens
    .command('issue')
    .description('Issue a token. It is shown once.')
    .requiredOption('--name <name>', 'whom it is for, so that you know it again')
    .option('--uses <number>', 'how many apps can register with it', count, 1)
    .option('--unlimited', 'any number of apps can register with it')
    .addOption(
      new Option('--ttl <time>', 'how long it lasts: 30m, 24h, 7d').argParser(duration).default(7 * 86_400, '7d'),
    )
    .action(async (options: { name: string; uses: number; unlimited?: true; ttl: number }, command: Command) => {
      const { api, out } = contextOf(command, deps);
      const { name, uses, unlimited, ttl } = options;
      const answer = await api.call('issueRegistrationToken', {
        body: { name, maxUses: unlimited ? null : uses, ttlSeconds: ttl },
      });
      out.facts(
        {
          token: answer.token,
          id: answer.id,
          'valid until': shortTime(answer.expiresAt),
          '': 'The token is not shown again.',
        },
        answer,
      );
    });

  tokens
    .command('list')
    .description('List tokens, the newest first.')
    .option('--limit <number>', 'how many at most', count, 100)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) => api.call('listRegistrationTokens', { query }));
      out.table(items, {
        data: { items },
        empty: 'There is no registration token.',
        columns: [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'USED', value: ({ uses, maxUses }) => `${uses} of ${maxUses ?? 'any number'}` },
          {
            title: 'ENDS',
            value: ({ revokedAt, expiresAt }) => (revokedAt ? `revoked ${shortTime(revokedAt)}` : shortTime(expiresAt)),
          },
          { title: 'ID', value: ({ id }) => id },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  tokens
    .command('revoke')
    .description('End a token. Apps that registered with it stay.')
    .argument('<token>', 'the id that `portcullis registration-tokens list` shows')
    .action(async (token: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Revoke the registration token ${token}?`);
      const answer = await api.call('revokeRegistrationToken', { params: { token } });
      out.done(`Revoked the registration token ${answer.id}.`, answer);
    });
}
