import { expect, test } from '@jest/globals';
import type { AuditEvent } from '@portcullis/platform';
import { createAuditLog } from '../../src/audit-log.ts';
import { countOne } from '../../src/counters.ts';
import { type Database, isUnavailable, openDatabase } from '../../src/database.ts';
import { inTransaction } from '../../src/transaction.ts';
import { openTestDatabase } from '../support/open-test-database.ts';

const event: AuditEvent = { time: new Date(), type: 'grant.revoked', outcome: 'success' };

test('a transaction is done over when it is one of our own statements that cannot be serialized', async () => {
  const { db, drop } = await openTestDatabase();
  const times = { createdAt: new Date(), updatedAt: new Date() };
  await db.prisma.user.createMany({ data: ['a', 'b'].map((id) => ({ id, email: `${id}@x.example`, ...times })) });
  const bothHaveRead = Promise.withResolvers<void>();
  const firstIsDone = Promise.withResolvers<void>();
  let readers = 0;
  let attempts = 0;
  // Each reads what the other writes; the second records once the first has committed.
  const change = (id: string, isSecond: boolean) =>
    inTransaction(db, async (within) => {
      attempts += 1;
      await within.prisma.user.findMany();
      readers += 1;
      if (readers === 2) bothHaveRead.resolve();
      await bothHaveRead.promise;
      await within.prisma.user.update({ where: { id }, data: { updatedAt: new Date() } });
      if (isSecond) await firstIsDone.promise;
      await createAuditLog(within).record(event);
    });
  await Promise.all([change('a', false).then(firstIsDone.resolve), change('b', true)]);
  expect(attempts).toBe(3);
  expect(await createAuditLog(db).list({ type: 'grant.revoked' })).toHaveLength(2);
  await drop();
});

test.each([
  ['a connection that was reset', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), true],
  ['a connection that ended', new Error('Connection terminated unexpectedly'), true],
  ['anything else, while the database answers', new TypeError('a mistake'), false],
])('%s makes the database unavailable: %s', async (_what, cause, expected) => {
  const { db, drop } = await openTestDatabase();
  expect(await isUnavailable(db, cause)).toBe(expected);
  await drop();
});

test.each([
  ['a statement of ours', (db: Database) => countOne(db, { key: 'k', windowSeconds: 60, now: new Date() })],
  ['Prisma’s client', ({ prisma }: Database) => prisma.rateLimit.create({ data: { key: 'k', points: 1 } })],
])('a server that takes no writes, since it is a standby now, is unavailable to %s', async (_of, write) => {
  const { url, drop } = await openTestDatabase();
  const readOnly = new URL(url);
  readOnly.searchParams.set('options', '-c default_transaction_read_only=on');
  const db = await openDatabase({ url: readOnly.href, migrateUrl: url });
  const failure = await write(db).catch((cause: unknown) => cause);
  expect(await isUnavailable(db, failure)).toBe(true);
  await db.close();
  await drop();
});
