import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '@portcullis/platform';
import { rounds } from '@portcullis/test-database';
import { type AdapterFactory, errors } from 'oidc-provider';
import { createAuditLog } from '../src/audit-log.ts';
import type { Database } from '../src/database.ts';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { createEnvelope } from '../src/envelope.ts';
import { createGrantStore } from '../src/grant-store.ts';
import { createRedemptionStore, type RedemptionStore, type Rotation } from '../src/redemption-store.ts';
import { inTransaction } from '../src/transaction.ts';
import { atOnce, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const seconds = now.getTime() / 1000;
const later = (afterSeconds: number) => new Date(now.getTime() + afterSeconds * 1000);
const secret = () => randomBytes(32).toString('base64url');
const event: AuditEvent = { time: now, type: 'token.refreshed', outcome: 'success' };

let database: OpenTestDatabase;
let second: Database;
let stores: RedemptionStore[];
let adapter: AdapterFactory;

beforeAll(async () => {
  database = await openTestDatabase();
  second = await database.another();
  await warmUp(database.db, second);
  stores = [createRedemptionStore(database.db), createRedemptionStore(second)];
  adapter = createEngineAdapter(database.db, { clock: () => now, envelope: createEnvelope(randomBytes(32)), errors });
});
afterAll(() => database.drop());

const store = (index = 0): RedemptionStore => {
  const found = stores[index % stores.length];
  if (!found) throw new Error('no store');
  return found;
};

/** A grant with a code and the first refresh token of its family. */
async function family() {
  const [grantId, code, token] = [`grant-${secret()}`, secret(), secret()];
  const ids = { accountId: 'user-1', clientId: 'client-1', iat: seconds, exp: seconds + 3600 };
  await adapter('Grant').upsert(grantId, { ...ids, jti: grantId }, 3600);
  await adapter('AuthorizationCode').upsert(code, { ...ids, grantId }, 60);
  await adapter('RefreshToken').upsert(token, { ...ids, grantId }, 3600);
  return { grantId, code, token };
}

function issued(grantId: string) {
  return { value: secret(), payload: { accountId: 'user-1', clientId: 'client-1', grantId }, expiresInSeconds: 3600 };
}

function rotation({ grantId, token }: { grantId: string; token: string }, changes: Partial<Rotation> = {}): Rotation {
  const answer = { text: `answer to ${token}`, expiresAt: later(120) };
  return {
    value: token,
    grantId,
    successor: issued(grantId),
    fingerprint: 'f',
    answer,
    event,
    tokensEndedUntil: undefined,
    forgetAt: later(180),
    now,
    ...changes,
  };
}

const headsOf = (grantId: string) => database.db.prisma.refreshToken.count({ where: { grantId, consumedAt: null } });
const succeeded = (results: PromiseSettledResult<{ ok: boolean }>[]) =>
  results.filter((result) => result.status === 'fulfilled' && result.value.ok).length;

describe('of eight at once, over two connections, exactly one', () => {
  test('redeems a code (AS-10)', async () => {
    for (let round = 0; round < rounds(50); round++) {
      const { grantId, code } = await family();
      await database.db.prisma.refreshToken.deleteMany({ where: { grantId } });
      const results = await atOnce(8, (index) =>
        store(index).redeemCode({
          value: code,
          grantId,
          tokensEndedUntil: undefined,
          issued: issued(grantId),
          event,
          now,
        }),
      );
      expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
      expect(succeeded(results)).toBe(1);
      expect(await headsOf(grantId)).toBe(1);
    }
  });

  test('rotates a refresh token (AS-19), and the family has one head', async () => {
    for (let round = 0; round < rounds(50); round++) {
      const begun = await family();
      const results = await atOnce(8, (index) => store(index).rotate(rotation(begun)));
      expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
      expect(succeeded(results)).toBe(1);
      expect(await headsOf(begun.grantId)).toBe(1);
    }
  });
});

describe('a rotation', () => {
  test('is found with its answer by whoever has the token', async () => {
    const begun = await family();
    const step = rotation(begun);
    expect(await store().findRotated(begun.token)).toBeUndefined();
    expect(await store().rotate(step)).toEqual({ ok: true });
    expect(await store().findRotated(begun.token)).toEqual({
      grantId: begun.grantId,
      rotatedAt: now,
      successorIsHead: true,
      fingerprint: 'f',
      answer: step.answer?.text,
    });
    expect(await store().findRotated(step.successor.value)).toBeUndefined();
    await store().rotate(rotation({ ...begun, token: step.successor.value }));
    expect(await store().findRotated(begun.token)).toMatchObject({ successorIsHead: false });
  });

  test('without its audit record does not happen (SP-37)', async () => {
    const begun = await family();
    const unrecordable = { ...event, time: new Date(Number.NaN) };
    await expect(store().rotate(rotation(begun, { event: unrecordable }))).rejects.toThrow();
    expect(await store().findRotated(begun.token)).toBeUndefined();
    expect(await headsOf(begun.grantId)).toBe(1);
    expect(await store().rotate(rotation(begun))).toEqual({ ok: true });
    expect(await createAuditLog(database.db).list({ limit: 1 })).toMatchObject([{ type: 'token.refreshed' }]);
  });

  test('beside the revocation of its grant leaves no token behind (SP-12)', async () => {
    for (let round = 0; round < rounds(50); round++) {
      const begun = await family();
      const [rotated] = await Promise.all([
        store(round).rotate(rotation(begun)),
        createGrantStore(second).revoke({ id: begun.grantId, now }),
      ]);
      if (!rotated.ok) expect(rotated.refusal.reason).toMatch(/grant_ended|already_redeemed/);
      expect(await database.db.prisma.refreshToken.count({ where: { grantId: begun.grantId } })).toBe(0);
    }
  });

  test('after another, without a pause, does not hold up the revocation of the grant (SP-12)', async () => {
    const { grantId, token } = await family();
    let value = token;
    let rotations = 0;
    let over = false;
    const refreshing = async () => {
      while (!over) {
        const step = rotation({ grantId, token: value });
        const { ok } = await store().rotate(step);
        if (!ok) continue;
        value = step.successor.value;
        rotations += 1;
      }
    };
    const attack = Promise.all(Array.from({ length: 4 }, refreshing));
    while (rotations < 10) await nextTurn();
    const revocation = inTransaction(database.db, async ({ prisma }) => {
      await prisma.grant.findUnique({ where: { id: grantId } });
      for (let statement = 0; statement < 5; statement++) await prisma.user.count();
      return prisma.grant.deleteMany({ where: { id: grantId } });
    });
    await revocation.finally(() => {
      over = true;
      return attack;
    });
    expect(await revocation).toEqual({ count: 1 });
  });

  test('of a grant that has ended is refused, and changes nothing', async () => {
    const begun = await family();
    const late = rotation(begun, { now: later(3600) });
    expect(await store().rotate(late)).toEqual({ ok: false, refusal: { reason: 'grant_ended' } });
    expect(await headsOf(begun.grantId)).toBe(1);
  });
});

test('replays are counted one by one, also when they come at once', async () => {
  const begun = await family();
  await store().rotate(rotation(begun));
  const counts = await Promise.all(Array.from({ length: 8 }, (_, index) => store(index).countReplay(begun.token)));
  expect([...counts].sort((one, other) => one - other)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await store().countReplay('unknown')).toBe(0);
});

test('answers are forgotten when their time is over, and the rotation stays known (SP-4)', async () => {
  const begun = await family();
  await store().rotate(rotation(begun));
  await store().forgetAnswers(later(119));
  expect(await store().findRotated(begun.token)).toHaveProperty('answer', expect.any(String));
  expect(await store().forgetAnswers(later(120))).toBeGreaterThan(0);
  expect(await store().findRotated(begun.token)).toMatchObject({ answer: undefined, rotatedAt: now });
});

test('an answer is readable with its own token only', async () => {
  const [one, other] = [await family(), await family()];
  await store().rotate(rotation(one));
  await store().rotate(rotation(other));
  const rows = await database.db.prisma.refreshToken.findMany({ where: { sealedAnswer: { not: null } } });
  const ofOne = rows.find(({ grantId }) => grantId === one.grantId);
  await database.db.prisma.refreshToken.updateMany({
    where: { grantId: other.grantId, consumedAt: { not: null } },
    data: { sealedAnswer: ofOne?.sealedAnswer ?? null },
  });
  expect(JSON.stringify(rows)).not.toContain('answer to');
  await expect(store().findRotated(other.token)).rejects.toThrow();
});

test('until when a code may have been used in parallel is known after its answer only', async () => {
  const { grantId, code } = await family();
  expect(await store().findRedeemedCode(code)).toBeUndefined();
  await store().redeemCode({ value: code, grantId, tokensEndedUntil: undefined, issued: undefined, event, now });
  expect(await store().findRedeemedCode(code)).toEqual({ parallelUntil: undefined });
  await store().noteParallelUses({ code, until: later(2) });
  expect(await store().findRedeemedCode(code)).toEqual({ parallelUntil: later(2) });
});
