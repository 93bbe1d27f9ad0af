import { setTimeout as wait } from 'node:timers/promises';
import { type AdminAnswer, AUDIT_EVENT_TYPES } from '@portcullis/platform';
import type { Command } from 'commander';
import { count, moment } from '../arguments.ts';
import { type CliDeps, type CommandContext, contextOf } from '../command.ts';
import { type Column, shortTime } from '../output.ts';
import { readPages } from '../pages.ts';
import { addAuditChainCommands } from './audit-chain.ts';

type AuditEvent = AdminAnswer<'searchAudit'>['items'][number];

const POLL_MS = 2000;
/** Replicas write at the same time, so an event may come in behind one that is newer. */
const OVERLAP_MS = 10_000;

const COLUMNS: Column<AuditEvent>[] = [
  { title: 'TIME', value: ({ time }) => shortTime(time) },
  { title: 'WHAT', value: ({ type }) => type },
  { title: 'OUTCOME', value: ({ outcome }) => outcome },
  { title: 'SUBJECT', value: ({ subject }) => subject },
  { title: 'APP', value: ({ client }) => client },
  { title: 'FROM', value: ({ address }) => address },
  { title: 'DETAIL', value: ({ detail }) => detail && JSON.stringify(detail) },
];

type SearchOptions = {
  limit: number;
  type?: string;
  outcome?: 'success' | 'error' | 'denied';
  subject?: string;
  client?: string;
  correlationId?: string;
  since?: string;
  until?: string;
};

/** audit tail, search, export, verify. */
export function addAuditCommands(program: Command, deps: CliDeps): void {
  const audit = program.command('audit').description('Who did what, and when.');

  audit
    .command('search')
    .description('Search the audit trail, the newest first.')
    .option('--type <type>', 'only this kind, such as user.signed_in')
    .option('--outcome <outcome>', 'success, denied or error')
    .option('--subject <id>', 'only what this user or machine did')
    .option('--client <id>', 'only what concerns this app')
    .option('--correlation-id <id>', 'only one request: the id that an error page shows')
    .option('--since <time>', 'from this time on: 2026-11-20T09:00Z, or 2h for two hours ago', moment)
    .option('--until <time>', 'before this time', moment)
    .option('--limit <number>', 'how many at most', count, 100)
    .addHelpText('after', '\nExample:\n  portcullis audit search --type user.signed_in --outcome denied --since 24h')
    .action(async ({ limit, ...filter }: SearchOptions, command: Command) => {
      const { api, out, terminal } = contextOf(command, deps);
      const { items, more } = await readPages(limit, (query) =>
        api.call('searchAudit', { query: { ...filter, ...query } }),
      );
      out.table(items, { data: { items }, empty: 'Nothing was found.', columns: COLUMNS });
      if (items.length === 0 && filter.type !== undefined && !isKnown(filter.type))
        terminal.note(`No record is of the type ${filter.type}. There are: ${AUDIT_EVENT_TYPES.join(', ')}.\n`);
      if (more) terminal.note('There are more: narrow the search, or raise --limit.\n');
    });

  audit
    .command('tail')
    .description('Show the newest events, the newest last.')
    .option('-n, --lines <number>', 'how many', count, 20)
    .option('-f, --follow', 'go on with what happens from now on, until you press Ctrl-C')
    .action(async ({ lines, follow }: { lines: number; follow?: true }, command: Command) => {
      const context = contextOf(command, deps);
      const { items } = await readPages(lines, (query) => context.api.call('searchAudit', { query }));
      const newest = items.reverse();
      context.out.table(newest, { data: { items: newest }, empty: 'Nothing has happened yet.', columns: COLUMNS });
      if (follow) await goOn(context, newest);
    });

  addAuditChainCommands(audit, deps);
}

function isKnown(type: string): boolean {
  return AUDIT_EVENT_TYPES.some((known) => known === type);
}

/** Asks again and again for what is new. Each new event is one line: JSON, or text. */
async function goOn({ api, out, terminal }: CommandContext, shown: readonly AuditEvent[]): Promise<void> {
  let seen = new Set(shown.map(({ id }) => id));
  let latest = Date.parse(shown.at(-1)?.time ?? new Date().toISOString());
  for (;;) {
    await wait(POLL_MS);
    const since = new Date(latest - OVERLAP_MS).toISOString();
    const { items } = await readPages(10_000, (query) => api.call('searchAudit', { query: { since, ...query } }));
    for (const event of items.reverse().filter(({ id }) => !seen.has(id))) {
      if (out.json) terminal.write(`${JSON.stringify(event)}\n`);
      else out.done(COLUMNS.map(({ value }) => value(event) ?? '-').join('  '), event);
      latest = Math.max(latest, Date.parse(event.time));
    }
    seen = new Set([...items.map(({ id }) => id)]);
  }
}
