import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { errors } from 'oidc-provider';
import { createClientApprovalStore } from '../src/client-approval-store.ts';
import { createClientDocumentVersionStore } from '../src/client-document-version-store.ts';
import { createConsentStore } from '../src/consent-store.ts';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { createEnvelope } from '../src/envelope.ts';
import { createRemoteDocumentStore } from '../src/remote-document-store.ts';
import { atOnce, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('of eight who want to fetch a document at once, over two connections, one may', async () => {
  const other = await database.another();
  const stores = [createRemoteDocumentStore(database.db), createRemoteDocumentStore(other)];
  await warmUp(database.db, other);
  for (let round = 0; round < rounds(20); round += 1) {
    const url = `https://app.example/${round}`;
    const race = async (at: Date) => {
      const results = await atOnce(8, async (index) =>
        stores[index % 2]?.lease({ url, now: at, until: new Date(at.getTime() + 10_000) }),
      );
      return results.filter((result) => result.status === 'fulfilled' && result.value === true).length;
    };
    expect(await race(now)).toBe(1);
    expect(await race(later(9))).toBe(0);
    // Whoever had it is gone without a word.
    expect(await race(later(10))).toBe(1);
  }
});

test('a copy can be let go before its time, once it is old enough', async () => {
  const store = createRemoteDocumentStore(database.db);
  const url = 'https://app.example/lacking';
  const lease = (at: Date) => store.lease({ url, now: at, until: new Date(at.getTime() + 10_000) });
  const expire = (at: Date) => store.expire({ url, fetchedBefore: new Date(at.getTime() - 30_000), now: at });
  expect(await expire(later(30))).toBe(false);
  await store.saveBody({ url, body: '{}', now, freshUntil: later(600), expiresAt: later(6000) });
  expect([await expire(later(29)), await lease(later(29))]).toEqual([false, false]);
  expect([await expire(later(30)), await lease(later(30)), await lease(later(30))]).toEqual([true, true, false]);
  expect((await store.find(url))?.body).toBe('{}');
});

test('nobody fetches what is fresh, or before it may be tried again', async () => {
  const store = createRemoteDocumentStore(database.db);
  const url = 'https://app.example/fresh';
  const lease = (at: Date) => store.lease({ url, now: at, until: new Date(at.getTime() + 10_000) });
  expect(await lease(now)).toBe(true);
  await store.saveBody({ url, body: '{}', now, freshUntil: later(60), expiresAt: later(600) });
  expect(await lease(later(59))).toBe(false);
  expect(await lease(later(60))).toBe(true);
  await store.saveFailure({
    url,
    failure: 'unreachable',
    withdrawn: false,
    nextFetchAt: later(90),
    expiresAt: later(300),
  });
  expect(await store.find(url)).toEqual({
    body: '{}',
    fetchedAt: now,
    freshUntil: later(60),
    failure: 'unreachable',
    nextFetchAt: later(90),
  });
  const expiry = await database.db.prisma.remoteDocument.findFirst({ where: { url }, select: { expiresAt: true } });
  expect(expiry).toEqual({ expiresAt: later(600) });
  expect(await lease(later(89))).toBe(false);
  expect(await lease(later(90))).toBe(true);
  await store.release(url);
  expect(await lease(later(90))).toBe(true);
  await store.saveFailure({
    url,
    failure: 'withdrawn',
    withdrawn: true,
    nextFetchAt: later(120),
    expiresAt: later(300),
  });
  expect(await store.find(url)).toEqual({ failure: 'withdrawn', nextFetchAt: later(120) });
  expect(await store.find('https://app.example/nowhere')).toBeUndefined();
});

test('a grant remembers the version it was given on, also when the engine saves it again', async () => {
  const { db } = database;
  const versions = createClientDocumentVersionStore(db);
  const grants = createEngineAdapter(db, { clock: () => now, envelope: createEnvelope(randomBytes(32)), errors })(
    'Grant',
  );
  const payload = { accountId: 'user-1', clientId: 'https://app.example/c', iat: now.getTime() / 1000, kind: 'Grant' };
  await grants.upsert('grant-1', payload, 3600);
  const version = await versions.keep({ clientId: payload.clientId, body: '{"a":1}', until: later(60) });
  expect(await versions.ofGrant('grant-1')).toBeUndefined();
  await versions.bind({ grantId: 'grant-1', version });
  await grants.upsert('grant-1', payload, 7200);
  expect(await versions.ofGrant('grant-1')).toBe(version);
  expect(await versions.find(version)).toBe('{"a":1}');
  await expect(versions.bind({ grantId: 'gone', version })).rejects.toThrow();
});

test('a version is kept as long as the longest of those who need it say', async () => {
  const { db } = database;
  const versions = createClientDocumentVersionStore(db);
  const keep = (seconds: number) => versions.keep({ clientId: 'c', body: '{"b":1}', until: later(seconds) });
  const id = await keep(60);
  for (const seconds of [600, 30]) expect(await keep(seconds)).toBe(id);
  const row = await db.prisma.clientDocumentVersion.findUnique({ where: { id } });
  expect(row?.expiresAt).toEqual(later(600));
  const together = await atOnce(8, () => versions.keep({ clientId: 'c', body: '{"c":1}', until: later(60) }));
  expect(new Set(together.map(({ status }) => status))).toEqual(new Set(['fulfilled']));
});

test('what an administrator decided about a client stays', async () => {
  const approvals = createClientApprovalStore(database.db);
  const clientId = 'https://app.example/asking';
  const ask = () => approvals.ask({ clientId, now, forgetAt: later(60) });
  await ask();
  expect(await approvals.find(clientId)).toBeUndefined();
  await approvals.decide({ clientId, approved: true, now });
  await ask();
  expect(await approvals.find(clientId)).toBe(true);
  const asked = { clientId, approved: true, createdAt: now };
  expect(await approvals.list({ limit: 10, now: later(61) })).toEqual([asked]);
  expect(await approvals.findAsked({ clientId, now: later(61) })).toEqual(asked);
  expect(await database.db.prisma.clientApproval.findFirst({ where: { clientId } })).toMatchObject({ expiresAt: null });
});

test('what an administrator is asked about is listed page by page, by decision, until nobody asks any more', async () => {
  const { db } = database;
  const approvals = createClientApprovalStore(db);
  await db.prisma.clientApproval.deleteMany();
  for (const [index, name] of ['a', 'b', 'c'].entries()) {
    await approvals.ask({ clientId: `https://app.example/${name}`, now: later(index), forgetAt: later(60) });
  }
  await approvals.decide({ clientId: 'https://app.example/b', approved: false, now });
  const names = async (o: Partial<Parameters<typeof approvals.list>[0]>) =>
    (await approvals.list({ limit: 9, now, ...o })).map(({ clientId }) => clientId.slice(-1));
  expect(await names({})).toEqual(['c', 'b', 'a']);
  expect(await names({ limit: 1, after: { createdAt: later(2), id: 'https://app.example/c' } })).toEqual(['b']);
  expect([await names({ decision: null }), await names({ decision: false })]).toEqual([['c', 'a'], ['b']]);
  expect(await names({ now: later(60) })).toEqual(['b']);
  expect(await approvals.findAsked({ clientId: 'https://app.example/a', now: later(60) })).toBeUndefined();
});

test('AS-35: a consent to one document is none to another', async () => {
  const consents = createConsentStore(database.db);
  const subject = {
    userId: 'u',
    clientId: 'https://app.example/c',
    resource: 'r',
    redirectUri: 'https://app.example/cb',
  };
  const agreed = { scopes: ['a'], upstreamScopes: ['u', 'v'] };
  await consents.remember({ ...subject, clientFingerprint: 'one', ...agreed, now, ttlSeconds: 60 });
  expect(await consents.find({ ...subject, clientFingerprint: 'one', now })).toEqual(agreed);
  expect(await consents.find({ ...subject, clientFingerprint: 'two', now })).toBeUndefined();
  expect(await consents.find({ ...subject, now })).toBeUndefined();
  await consents.forget(subject);
  expect(await consents.find({ ...subject, clientFingerprint: 'one', now })).toBeUndefined();
});
