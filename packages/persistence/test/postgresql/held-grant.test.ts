import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { createRedemptionStore } from '../../src/redemption-store.ts';
import { hashToken } from '../../src/token-hash.ts';
import { openTestDatabase } from '../support/open-test-database.ts';

test('a rotation waits for whoever ends the grant, and leaves no token behind (SP-12)', async () => {
  const { url, db, drop } = await openTestDatabase();
  const now = new Date();
  const times = { issuedAt: now, expiresAt: new Date(now.getTime() + 3_600_000) };
  const whose = { userId: 'user', clientId: 'client', detail: '{}', ...times };
  // Its last use is not due to be noted: nothing but the lock makes anybody wait.
  await db.prisma.grant.create({ data: { id: 'grant', lastUsedAt: now, ...whose } });
  await db.prisma.refreshToken.create({
    data: { id: hashToken('token'), grantId: 'grant', firstIssuedAt: now, ...whose },
  });
  const revoking = new pg.Client({ connectionString: url });
  await revoking.connect();
  await revoking.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await revoking.query(`DELETE FROM "Grant" WHERE "id" = 'grant'`);

  let isOver = false;
  const payload = { accountId: 'user', clientId: 'client', grantId: 'grant' };
  const rotating = createRedemptionStore(db)
    .rotate({
      value: 'token',
      grantId: 'grant',
      tokensEndedUntil: undefined,
      successor: { value: 'successor', payload, expiresInSeconds: 3600 },
      fingerprint: 'f',
      answer: undefined,
      forgetAt: undefined,
      event: { time: now, type: 'token.refreshed', outcome: 'success' },
      now,
    })
    .finally(() => {
      isOver = true;
    });
  const waits = async () =>
    (
      await db.prisma.$queryRaw<unknown[]>`SELECT 1 FROM pg_stat_activity WHERE "wait_event_type" = 'Lock'
      AND "datname" = current_database()`
    ).length > 0;
  for (const deadline = Date.now() + 10_000; !isOver && Date.now() < deadline && !(await waits()); ) await pause(20);
  expect(isOver).toBe(false);
  await revoking.query(`DELETE FROM "RefreshToken" WHERE "grantId" = 'grant'`);
  await revoking.query('COMMIT');

  expect(await rotating).toEqual({ ok: false, refusal: { reason: 'grant_ended' } });
  expect(await db.prisma.refreshToken.count()).toBe(0);
  await revoking.end();
  await drop();
});
