// Run as a process of its own, because a query cannot be interrupted in the thread that runs it: whoever started this
// process ends it. Its argument is the SQLite file; it answers one query after another over the channel to its parent.
import { Worker } from 'node:worker_threads';
import {
  type AnalyticsOutcome,
  type AnalyticsRefusal,
  RESULT_LIMITS,
  refused,
  resultTable,
  withoutEnd,
} from './analytics.ts';
import type { QueryAnswer, QueryMessage } from './query-message.ts';
import { openForAnalytics } from './sqlite-boundary.ts';

const [, , file = ''] = process.argv;
const database = openForAnalytics(file);

process.on('message', ({ statement }: QueryMessage) => tell(answer(statement)));
process.on('disconnect', () => process.exit());
endWhenAbandoned();
tell({ ready: true });

function tell(message: QueryAnswer): void {
  process.send?.(message);
}

/** In the midst of a query nothing is heard here, so another thread watches the parent and the memory. */
function endWhenAbandoned(): void {
  const watch = `
    const [parent, rssCapBytes] = require('node:worker_threads').workerData;
    setInterval(() => {
      if (process.ppid !== parent || process.memoryUsage.rss() > rssCapBytes) process.kill(process.pid, 'SIGKILL');
    }, 100);`;
  new Worker(watch, { eval: true, workerData: [process.ppid, 512 * 1024 * 1024] }).unref();
}

function answer(statement: string): QueryAnswer {
  try {
    return { outcome: query(statement) };
  } catch (cause) {
    const reason = refusalOf(cause);
    return reason === undefined ? { fault: String(cause) } : { outcome: refused(reason) };
  }
}

function query(statement: string): AnalyticsOutcome {
  const alone = withoutEnd(statement);
  // SQLite prepares the first of several statements and says nothing of the rest; within parentheses it refuses them.
  const prepared = database.prepare(`select * from (\n${alone}\n) limit ${RESULT_LIMITS.rows + 1}`);
  // What is whole by itself cannot have closed the parenthesis around it.
  database.prepare(alone);
  prepared.setReturnArrays(true);
  prepared.setReadBigInts(true);
  const columns = prepared.columns().map(({ name }) => name);
  if (columns.length > RESULT_LIMITS.columns) return refused('too-large');
  return { ok: true, table: resultTable(columns, rowsOf(prepared.iterate())) };
}

/** With `setReturnArrays` rows are arrays, which the types do not know. */
function* rowsOf(rows: Iterable<unknown>): Generator<readonly unknown[]> {
  for (const row of rows) if (Array.isArray(row)) yield row;
}

/** What SQLite's result code says about the query; `undefined` where it says something about us. */
function refusalOf(cause: unknown): AnalyticsRefusal | undefined {
  const code = cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number' ? cause.errcode : 0;
  switch (code & 0xff) {
    case 1: // SQLITE_ERROR: a syntax error, an unknown name, an overflow; the code does not say which
      return 'not-sql';
    case 8: // SQLITE_READONLY
    case 23: // SQLITE_AUTH
      return 'not-allowed';
    case 7: // SQLITE_NOMEM
    case 18: // SQLITE_TOOBIG
      return 'too-large';
    case 20: // SQLITE_MISMATCH
    case 25: // SQLITE_RANGE: a parameter without a value
      return 'bad-value';
    default:
      return undefined;
  }
}
