import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAuditLog } from '../src/audit-log.ts';
import { Prisma } from '../src/generated/postgresql/client.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const HOUR_MS = 3_600_000;
const now = new Date('2026-11-20T10:00:00Z');
const since = new Date(now.getTime() - HOUR_MS / 4);

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.drop());

let nth = 0;
const call = (subject: string, client: string, hoursAgo: number) => ({
  id: `call-${nth++}`,
  ...({ type: 'tool.called', outcome: 'success' } as const),
  ...{ subject, client, time: new Date(now.getTime() - hoursAgo * HOUR_MS) },
});

/** Many calls by 500 users with one app, at one time; the database makes them up. */
async function storeMany(count: number, { client, hoursAgo }: { client: string; hoursAgo: number }): Promise<void> {
  const { kind, prisma } = database.db;
  const outcome = kind === 'sqlite' ? Prisma.sql`'success'` : Prisma.sql`'success'::"AuditOutcome"`;
  const { time } = call('', client, hoursAgo);
  await prisma.$executeRaw`INSERT INTO "AuditEvent" ("id", "type", "outcome", "subject", "client", "time")
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${Prisma.raw(String(count))})
    SELECT ${Prisma.raw(`'${client}-'`)} || n, 'tool.called', ${outcome}, 'regular ' || (n % 500), ${Prisma.raw(`'${client}'`)}, ${time}
    FROM numbers`;
}

test('SP-38: who came back after a pause is found among those who are new and those who never left', async () => {
  const calls = [
    ...[0.1, 0.2, 8 * 24].map((hours) => call('back', 'app', hours)),
    ...[0.1, 8 * 24].map((hours) => call('back', hours < 1 ? 'another app' : 'app', hours)),
    ...[0.1, 0.5, 8 * 24].map((hours) => call('at work', 'app', hours)),
    ...[0.1, 2 * 24].map((hours) => call('new', 'app', hours)),
    ...[8 * 24].map((hours) => call('gone', 'app', hours)),
  ];
  await database.db.prisma.auditEvent.createMany({ data: calls });
  const found = await createAuditLog(database.db).callersWhoCameBack(since);
  expect(found).toEqual([{ subject: 'back', client: 'app', last: new Date(now.getTime() - 0.1 * HOUR_MS) }]);
});

test('SP-38: what everybody did before is not read again for each new call', async () => {
  await storeMany(20_000, { client: 'app', hoursAgo: 7 * 24 });
  await storeMany(600, { client: 'new app', hoursAgo: 0.1 });
  const before = process.cpuUsage();
  const found = await createAuditLog(database.db).callersWhoCameBack(since);
  const { user, system } = process.cpuUsage(before);
  expect(found.filter(({ client }) => client === 'new app')).toEqual([]);
  // SQLite works in this process, PostgreSQL in its own. Without an index for it this takes more than a second.
  expect((user + system) / 1_000_000).toBeLessThan(0.5);
});
