import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { createAuditLog } from '../../src/audit-log.ts';
import type { Database } from '../../src/database.ts';
import { createPresentedRows } from '../../src/presented-rows.ts';
import { createRedemptionStore, type Rotation } from '../../src/redemption-store.ts';
import type { Statement, StatementValue } from '../../src/statements/statement.ts';
import { hashToken } from '../../src/token-hash.ts';
import { type OpenTestDatabase, openTestDatabase } from '../support/open-test-database.ts';

const now = new Date('2026-11-27T10:00:00Z');
const later = new Date(now.getTime() + 3_600_000);

let opened: OpenTestDatabase;
let asked: string[] = [];
/** The same database; what is asked is noted. */
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  const { statements } = opened.db;
  const run = <Row>(statement: Statement, ...values: StatementValue[]) => {
    asked.push(statement.name);
    return statements.run<Row>(statement, ...values);
  };
  database = { ...opened.db, statements: { ...statements, run } };
});
beforeEach(() => {
  asked = [];
});
afterAll(() => opened?.drop());

/** A family of one user and client, with the token `NAME-1`. */
async function family(name: string, grant: { tokensEndedUntil?: Date; expiresAt?: Date } = {}): Promise<string> {
  const whose = { userId: 'user', clientId: 'client', detail: '{}', issuedAt: now, expiresAt: later };
  const { prisma } = opened.db;
  await prisma.grant.create({ data: { id: name, ...whose, ...grant } });
  await prisma.refreshToken.create({
    data: { id: hashToken(`${name}-1`), grantId: name, firstIssuedAt: now, ...whose },
  });
  return name;
}

function rotation(name: string, changes: Partial<Rotation> = {}): Rotation {
  const payload = { accountId: 'user', clientId: 'client', grantId: name };
  return {
    value: `${name}-1`,
    grantId: name,
    tokensEndedUntil: undefined,
    successor: { value: `${name}-2`, payload, expiresInSeconds: 600 },
    fingerprint: `of ${name}`,
    answer: { text: `answer of ${name}`, expiresAt: later },
    forgetAt: undefined,
    event: { time: now, type: 'token.refreshed', outcome: 'success', client: name },
    now,
    ...changes,
  };
}

test('SP-12: rotations of the same moment share a statement, and each has its own outcome and its own rows', async () => {
  const store = createRedemptionStore(database);
  const names = await Promise.all([
    family('one'),
    family('two'),
    family('ended', { expiresAt: now }),
    family('narrowed', { tokensEndedUntil: now }),
  ]);
  const outcomes = await Promise.all([...names, 'gone'].map((name) => store.rotate(rotation(name))));
  expect(outcomes).toEqual([
    { ok: true },
    { ok: true },
    { ok: false, refusal: { reason: 'grant_ended' } },
    { ok: false, refusal: { reason: 'grant_changed' } },
    { ok: false, refusal: { reason: 'grant_ended' } },
  ]);
  // Of a grant that is not there it takes a second look to tell that it is not locked either.
  expect(asked).toEqual(['redemption.RefreshToken.shared', 'redemption.RefreshToken']);

  for (const name of ['one', 'two']) {
    expect(await store.findRotated(`${name}-1`)).toMatchObject({
      ...{
        grantId: name,
        fingerprint: `of ${name}`,
        answer: `answer of ${name}`,
        rotatedAt: now,
        successorIsHead: true,
      },
    });
    const [successor] = await opened.db.prisma.refreshToken.findMany({ where: { grantId: name, consumedAt: null } });
    expect(successor).toMatchObject({ id: hashToken(`${name}-2`), expiresAt: new Date(now.getTime() + 600_000) });
    expect(await opened.db.prisma.grant.findUnique({ where: { id: name } })).toMatchObject({ lastUsedAt: now });
    expect(await createAuditLog(opened.db).list({ client: name })).toHaveLength(1);
  }
  for (const name of ['ended', 'narrowed']) {
    expect(await store.findRotated(`${name}-1`)).toBeUndefined();
    expect(await opened.db.prisma.refreshToken.count({ where: { grantId: name } })).toBe(1);
    expect(await createAuditLog(opened.db).list({ client: name })).toEqual([]);
  }
});

test('of rotations of one token at the same moment exactly one is done, and leaves one successor', async () => {
  const store = createRedemptionStore(database);
  await family('raced');
  const successors = Array.from({ length: 8 }, (_, index) => ({
    ...rotation('raced').successor,
    value: `raced-2-${index}`,
  }));
  const outcomes = await Promise.all(successors.map((successor) => store.rotate(rotation('raced', { successor }))));
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
  const refused = outcomes.filter(({ ok }) => !ok);
  for (const outcome of refused) expect(outcome).toEqual({ ok: false, refusal: { reason: 'already_redeemed' } });
  expect(await opened.db.prisma.refreshToken.count({ where: { grantId: 'raced' } })).toBe(2);
});

test('whoever has locked one grant holds nobody up but those who come with it', async () => {
  const store = createRedemptionStore(database);
  await Promise.all(['free', 'locked', 'free too'].map((name) => family(name)));
  const holder = new pg.Client({ connectionString: opened.url });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`SELECT "id" FROM "Grant" WHERE "id" = 'locked' FOR UPDATE`);
  let isOver = false;
  const [first, held, second] = ['free', 'locked', 'free too'].map((name) => store.rotate(rotation(name)));
  void held?.finally(() => {
    isOver = true;
  });
  try {
    expect(await Promise.all([first, second])).toEqual([{ ok: true }, { ok: true }]);
    expect(isOver).toBe(false);
  } finally {
    await holder.query('COMMIT');
    await holder.end();
  }
  expect(await held).toEqual({ ok: true });
});

test('a rotation that the database refuses fails alone', async () => {
  const store = createRedemptionStore(database);
  await Promise.all(['before', 'refused', 'after'].map((name) => family(name)));
  const results = await Promise.allSettled([
    store.rotate(rotation('before')),
    store.rotate(rotation('refused', { fingerprint: 'no\0text' })),
    store.rotate(rotation('after')),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await store.findRotated('before-1')).toMatchObject({ answer: 'answer of before' });
  expect(await store.findRotated('refused-1')).toBeUndefined();
  expect(await store.findRotated('after-1')).toMatchObject({ answer: 'answer of after' });
});

test('codes of the same moment share a statement, with a refresh token for whoever may have one', async () => {
  const store = createRedemptionStore(database);
  const whose = { userId: 'user', clientId: 'client', detail: '{}', issuedAt: now, expiresAt: later };
  for (const name of ['with', 'without']) {
    await opened.db.prisma.grant.create({ data: { id: name, ...whose } });
    await opened.db.prisma.authorizationCode.create({
      data: { id: hashToken(`code ${name}`), grantId: name, ...whose },
    });
  }
  const redeem = (name: string, issued: Rotation['successor'] | undefined) => {
    const { tokensEndedUntil, event } = rotation(name);
    return store.redeemCode({ value: `code ${name}`, grantId: name, tokensEndedUntil, event, now, issued });
  };
  asked = [];
  const outcomes = await Promise.all([redeem('with', rotation('with').successor), redeem('without', undefined)]);
  expect(outcomes).toEqual([{ ok: true }, { ok: true }]);
  expect(asked).toEqual(['redemption.AuthorizationCode.shared']);
  const issued = await opened.db.prisma.refreshToken.findMany({ where: { grantId: { in: ['with', 'without'] } } });
  expect(issued.map(({ grantId }) => grantId)).toEqual(['with']);
});

test('what is presented at the same moment is read in one trip, each with what is its own', async () => {
  const read = createPresentedRows(database);
  await Promise.all(['first', 'second'].map((name) => family(name)));
  const rows = await Promise.all(
    ['first-1', 'unknown', 'second-1', 'first-1'].map((token) => read.refreshToken(token)),
  );
  expect(rows.map((row) => row?.grant?.id)).toEqual(['first', undefined, 'second', 'first']);
  expect(rows.map((row) => row?.refreshToken?.id)).toEqual([
    hashToken('first-1'),
    undefined,
    hashToken('second-1'),
    hashToken('first-1'),
  ]);
  expect(asked).toEqual(['refresh.findMany']);
});
