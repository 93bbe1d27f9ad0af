import type { AdminAnswer } from '@portcullis/platform';
import type { Command } from 'commander';
import { count } from '../arguments.ts';
import { type CliDeps, contextOf } from '../command.ts';
import { shortTime } from '../output.ts';
import { readPages } from '../pages.ts';

const ABOUT = `The keys that sign access tokens. They take turns by themselves:

  next      in the key set, so that everybody knows it before it signs
  active    signs
  retiring  in the key set for the tokens that it signed
  retired   gone, with its private part`;

const ABOUT_ROTATE = `Let the next key sign from now on.

Nobody notices: the next key has been in the key set for a while, and the one before it stays there until its
last token has expired. Where the next key is too new for that, this is refused and says when it can be done.

--force does it all the same: resource servers that have not seen the key refuse calls until they have fetched
it, with Portcullis' guard at most 30 seconds. It does not end tokens of the key before; for a key that somebody
else may hold, use \`portcullis keys retire\`.`;

const ABOUT_RETIRE = `Take a key out of the key set at once, for one that somebody else may hold.

Every token that it signed ends: here at once, on other replicas within a second, and at resource servers when
they next fetch the key set, with Portcullis' guard after at most 10 minutes. Apps with a refresh token get
another token by themselves. Where the key is the active one, the next one signs from now on, however new.`;

type Key = AdminAnswer<'retireKey'>['key'];

/** keys list, rotate, retire. */
export function addKeyCommands(program: Command, deps: CliDeps): void {
  const keys = program.command('keys').summary('Keys that sign access tokens.').description(ABOUT);

  keys
    .command('list')
    .description('List keys, the newest first.')
    .option('--limit <number>', 'how many at most', count, 20)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) => api.call('listKeys', { query }));
      out.table(items, {
        data: { items },
        empty: 'There is no key.',
        columns: [
          { title: 'STATE', value: ({ state }) => state },
          { title: 'ALGORITHM', value: ({ alg }) => alg },
          { title: 'SIGNS FROM', value: ({ activatesAt }) => shortTime(activatesAt) },
          { title: 'IN THE KEY SET', value: published },
          { title: 'KEY', value: ({ kid }) => kid },
        ],
      });
      if (more) terminal.note('There are more: raise --limit.\n');
    });

  keys
    .command('rotate')
    .summary('let the next key sign from now on')
    .description(ABOUT_ROTATE)
    .option('--force', 'even where resource servers may not know the key yet')
    .action(async ({ force = false }: { force?: boolean }, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(
        force
          ? 'Let the next key sign now, though calls may fail until resource servers have fetched it?'
          : 'Let the next key sign from now on?',
      );
      const answer = await api.call('rotateKeys', { body: { force } });
      const { key, previous } = answer;
      const until = previous.publishedUntil
        ? ` Its predecessor stays known until ${shortTime(previous.publishedUntil)}.`
        : '';
      out.done(`The key ${key.kid} signs from now on.${until}`, answer);
    });

  keys
    .command('retire')
    .summary('take a key out of the key set, and end its tokens')
    .description(ABOUT_RETIRE)
    .argument('<key>', 'the id that `portcullis keys list` shows')
    .action(async (kid: string, _options: object, command: Command) => {
      const { api, out, confirm } = contextOf(command, deps);
      await confirm(`Retire the key ${kid}, and end every token that it signed?`);
      const answer = await api.call('retireKey', { params: { key: kid } });
      out.done(`Retired the key ${answer.key.kid}; ${answer.active.kid} signs.`, answer);
    });
}

function published({ state, createdAt, publishedUntil, retiredAt }: Key): string {
  if (retiredAt) return `until ${shortTime(retiredAt)}`;
  if (publishedUntil) return `until ${shortTime(publishedUntil)}`;
  return state === 'retired' ? '-' : `since ${shortTime(createdAt)}`;
}
