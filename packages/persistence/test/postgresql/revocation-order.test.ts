import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import pg from 'pg';
import type { Database } from '../../src/database.ts';
import { createRevocationLog, recordRevocations } from '../../src/revocation-log.ts';
import { inTransaction } from '../../src/transaction.ts';
import { type OpenTestDatabase, openTestDatabase } from '../support/open-test-database.ts';

const now = new Date('2026-11-21T10:00:00Z');
let opened: OpenTestDatabase;
let other: Database;
beforeAll(async () => {
  opened = await openTestDatabase();
  other = await opened.another();
});
afterAll(() => opened.drop());

const record = (within: Database, grantId: string) =>
  recordRevocations(within, { revocations: [{ grantId, resource: 'r', issuedUntil: undefined }], now });

/** A transaction that has written its revocation and does not commit before it is told to. */
async function begun(database: Database, grantId: string): Promise<() => Promise<void>> {
  const [written, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const done = inTransaction(database, async (within) => {
    await record(within, grantId);
    written.resolve();
    await commit.promise;
  });
  await Promise.race([written.promise, done]);
  return () => {
    commit.resolve();
    return done;
  };
}

test('transactions that commit in the reverse order of their ids lose nothing, and delay nobody', async () => {
  const log = createRevocationLog(opened.db);
  for (let round = 0; round < rounds(100); round += 1) {
    const start = await log.watermark();
    const [first, second] = [`first-${round}`, `second-${round}`];
    const commitFirst = await begun(opened.db, first);
    const commitSecond = await begun(other, second);

    await commitSecond();
    const between = await log.readFrom(start);
    const seen = between.revocations.map(({ grantId }) => grantId);
    expect([seen.includes(first), seen.includes(second)]).toEqual([false, true]);

    await commitFirst();
    const after = await log.readFrom(between.watermark);
    expect(after.revocations.map(({ grantId }) => grantId)).toContain(first);
    const positions = new Map([...between.revocations, ...after.revocations].map((row) => [row.grantId, row.position]));
    expect(positions.get(first)).toBeLessThan(Number(positions.get(second)));
  }
});

test('a hint crosses processes, and after the listening connection was cut it does so again', async () => {
  let hints = 0;
  const unsubscribe = other.revocationSignal.subscribe(() => {
    hints += 1;
  });
  const hinted = async (from: number) => {
    for (let tries = 0; hints === from && tries < 200; tries += 1) {
      await inTransaction(opened.db, (within) => record(within, `hint-${tries}`));
      await pause(50);
    }
    return hints > from;
  };
  expect(await hinted(0)).toBe(true);

  const operator = new pg.Client({ connectionString: opened.url });
  await operator.connect();
  const cut = await operator.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`,
  );
  expect(cut.rowCount).toBe(1);
  await operator.end();
  expect(await hinted(hints)).toBe(true);
  unsubscribe();
});
