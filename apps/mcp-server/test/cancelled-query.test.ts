import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Kysely, sql } from 'kysely';
import type { SharedAnalytics } from '../src/analytics/few-at-once.ts';
import { openAnalytics } from '../src/analytics/open-analytics.ts';
import { openStore } from '../src/store/open-store.ts';
import { postgresqlDialect } from '../src/store/postgresql-dialect.ts';
import { emptyDatabase } from './support/databases.ts';
import { silentLogger } from './support/silent-logger.ts';

const RUNAWAY = 'with recursive r(n) as (select 1 union all select n + 1 from r) select sum(a.n * b.n) from r a, r b';
const GONE = { ok: false, refusal: { reason: 'took-too-long' } };

let database: Awaited<ReturnType<typeof emptyDatabase>>;
let analytics: SharedAnalytics | undefined;

beforeAll(async () => {
  database = await emptyDatabase({ withAnalyticsRole: true });
  await (await openStore(database, { logger: silentLogger, now: () => new Date() })).close();
  analytics = await openAnalytics({ ...database, analyticsTimeoutSeconds: 600 }, silentLogger);
});
afterAll(async () => {
  await analytics?.close();
  await database?.drop();
});

let callers = 0;

/** Each by another user. */
async function run(statement: string, signal = new AbortController().signal) {
  if (!analytics) throw new Error('there is nothing to run queries on');
  return await analytics.run(statement, { subject: `user-${++callers}`, signal });
}

test('SP-30 a query whose caller has gone ends, and its place is free at once', async () => {
  // More than run at once: the last one waits.
  const leaving = Array.from({ length: 3 }, () => new AbortController());
  const runaways = leaving.map(({ signal }) => run(RUNAWAY, signal));
  await running(2);
  for (const caller of leaving) caller.abort();
  expect(await Promise.all(runaways)).toEqual([GONE, GONE, GONE]);
  expect(await run('select count(*) from tickets')).toMatchObject({ ok: true });
  await running(0);
});

test('a query of a caller who has gone already is not begun', async () => {
  expect(await run('select 1', AbortSignal.abort())).toEqual(GONE);
});

/** Waits until PostgreSQL works on so many queries of ours; SQLite's processes end with a signal and need no look. */
async function running(count: number): Promise<void> {
  if (database.databaseUrl === undefined) return;
  const db = new Kysely({ ...postgresqlDialect(database.databaseUrl, silentLogger) });
  try {
    for (const deadline = Date.now() + 20_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      const { rows } = await sql`select from pg_stat_activity where application_name = 'portcullis-analytics'
        and datname = current_database() and state = 'active'`.execute(db);
      if (rows.length === count) return;
      if (Date.now() > deadline) throw new Error(`${rows.length} queries are running, not ${count}`);
    }
  } finally {
    await db.destroy();
  }
}
