import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { createAuditLog } from '../src/audit-log.ts';
import { createConsentStore } from '../src/consent-store.ts';
import { dumpTables } from '../src/dump.ts';
import { createEnvelope } from '../src/envelope.ts';
import { createGrantStore } from '../src/grant-store.ts';
import { createOneTimeLinkStore } from '../src/one-time-link-store.ts';
import { createSigningKeyStore } from '../src/signing-key-store.ts';
import { inTransaction } from '../src/transaction.ts';
import { createUserStore } from '../src/user-store.ts';
import { atOnce, fulfilled, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const day = 24 * 3600;
const SET_UP = { time: now, type: 'setup.completed', outcome: 'success' } as const;

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

describe('transactions', () => {
  test('write all or nothing', async () => {
    const users = createUserStore(database.db);
    const failing = inTransaction(database.db, async (within) => {
      await createUserStore(within).create({ email: 'half@example.org', roles: [], now });
      throw new Error('given up');
    });
    await expect(failing).rejects.toThrow('given up');
    expect(await users.findByEmail('half@example.org')).toBeUndefined();
  });

  test('that collide are done over: eight that count and add lose none', async () => {
    const grow = () =>
      inTransaction(database.db, async ({ prisma }) => {
        const points = (await prisma.rateLimit.findUnique({ where: { key: 'race' } }))?.points ?? 0;
        await prisma.rateLimit.upsert({
          where: { key: 'race' },
          create: { key: 'race', points: 1 },
          update: { points: points + 1 },
        });
      });
    const outcomes = await atOnce(8, grow);
    const row = await database.db.prisma.rateLimit.findUnique({ where: { key: 'race' } });
    expect(row?.points).toBe(fulfilled(outcomes));
  });
});

describe('grants', () => {
  const grant = (id: string, userId: string, minutes: number) => ({
    id,
    userId,
    clientId: 'grants-client',
    resources: JSON.stringify({ 'https://mcp.example/': 'a b' }),
    detail: '{}',
    issuedAt: later(minutes * 60),
    expiresAt: later(day),
  });

  test('are listed page by page, the newest first, and end with their tokens and what was remembered', async () => {
    const { prisma } = database.db;
    const grants = createGrantStore(database.db);
    await prisma.grant.createMany({ data: [grant('g1', 'u1', 1), grant('g2', 'u1', 3), grant('g3', 'u2', 2)] });
    const ids = async (o: Partial<Parameters<typeof grants.list>[0]>) =>
      (await grants.list({ clientId: 'grants-client', limit: 10, now, ...o })).map(({ id }) => id);
    expect(await ids({})).toEqual(['g2', 'g3', 'g1']);
    expect(await ids({ userId: 'u1' })).toEqual(['g2', 'g1']);
    expect(await ids({ after: { issuedAt: later(180), id: 'g2' } })).toEqual(['g3', 'g1']);
    expect(await ids({ now: later(2 * day) })).toEqual([]);
    expect(await grants.find({ id: 'g1', now })).toMatchObject({ resources: { 'https://mcp.example/': ['a', 'b'] } });

    const consents = createConsentStore(database.db);
    const subject = { userId: 'u1', clientId: 'grants-client', resource: 'r', redirectUri: 'https://a.example/' };
    await consents.remember({ ...subject, scopes: ['a'], now, ttlSeconds: 60 });
    expect(await grants.revoke({ id: 'g1', now })).toBe(true);
    expect(await grants.revoke({ id: 'g1', now })).toBe(false);
    expect(await consents.find({ ...subject, now })).toBeUndefined();
    expect(await ids({})).toEqual(['g2', 'g3']);
  });
});

describe('users', () => {
  test('an address is taken in every spelling of it', async () => {
    const users = createUserStore(database.db);
    const created = await users.create({ email: ' Ada@Example.org ', roles: ['lead', 'agent'], now });
    expect(created).toMatchObject({
      ok: true,
      user: { email: 'ada@example.org', passwordHash: null, roles: ['agent', 'lead'], disabledAt: null },
    });
    expect(await users.create({ email: 'ADA@example.org', roles: [], now })).toStrictEqual({
      ok: false,
      refusal: { reason: 'email_taken' },
    });
    expect(await users.findByEmail('aDa@example.org  ')).toMatchObject({ email: 'ada@example.org' });
    expect(await users.findByEmail('ada\0@example.org')).toBeUndefined();
    expect(await users.findById('nobody')).toBeUndefined();
  });

  test('get a password, and can be disabled and enabled', async () => {
    const users = createUserStore(database.db);
    const created = await users.create({ email: 'grace@example.org', roles: ['agent'], now });
    const userId = created.ok ? created.user.id : '';
    expect(await users.setPassword({ userId, passwordHash: 'hash', now })).toBe(true);
    expect(await users.setDisabled({ userId, disabled: true, now })).toBe(true);
    expect(await users.findById(userId)).toMatchObject({ passwordHash: 'hash', disabledAt: now });
    expect(await users.setDisabled({ userId, disabled: false, now })).toBe(true);
    expect(await users.findById(userId)).toMatchObject({ disabledAt: null });
    expect(await users.setPassword({ userId: 'nobody', passwordHash: 'hash', now })).toBe(false);
  });

  test('of eight who set up at once, over two connections, exactly one becomes the first administrator', async () => {
    for (let round = 0; round < rounds(20); round += 1) {
      const fresh = await openTestDatabase();
      const other = await fresh.another();
      const stores = [createUserStore(fresh.db), createUserStore(other)];
      await warmUp(fresh.db, other);
      expect(await stores[0]?.hasAny()).toBe(false);
      const results = await atOnce(8, async (index) =>
        stores[index % 2]?.createFirstAdministrator({
          email: `admin-${index}@example.org`,
          ...{ passwordHash: 'hash', now, event: SET_UP },
        }),
      );
      const created = results.filter((result) => result.status === 'fulfilled' && result.value?.created);
      expect(fulfilled(results)).toBe(8);
      expect(created).toHaveLength(1);
      expect(await fresh.db.prisma.user.count()).toBe(1);
      expect(
        await fresh.db.prisma.userRole.findMany({ orderBy: { role: 'asc' }, select: { role: true } }),
      ).toStrictEqual([{ role: 'admin' }, { role: 'lead' }]);
      expect(await stores[0]?.hasAny()).toBe(true);
      const [record, ...others] = await createAuditLog(fresh.db).list({ type: 'setup.completed' });
      expect({ subject: record?.subject, others }).toEqual({
        subject: created[0]?.status === 'fulfilled' && created[0].value?.userId,
        others: [],
      });
      await fresh.drop();
    }
  });

  test('nobody becomes the first administrator without a record of it', async () => {
    const fresh = await openTestDatabase();
    const users = createUserStore(fresh.db);
    const event = { ...SET_UP, detail: { nothing: 'that can be stored', asJson: 1n } };
    const founder = { email: 'ada@example.org', passwordHash: 'hash', now };
    await expect(users.createFirstAdministrator({ ...founder, event })).rejects.toThrow(TypeError);
    expect(await users.hasAny()).toBe(false);
    expect(await users.createFirstAdministrator({ ...founder, event: SET_UP })).toMatchObject({ created: true });
    await fresh.drop();
  });
});

describe('consents', () => {
  const subject = {
    userId: 'user-1',
    clientId: 'client-1',
    resource: 'http://localhost:4001/mcp',
    redirectUri: 'https://client.example/callback',
  };

  test('are remembered per user, client, resource and exact redirect URI (SP-16, PX-3)', async () => {
    const consents = createConsentStore(database.db);
    const upstreamScopes = ['github:repo'];
    await consents.remember({ ...subject, scopes: ['desk:read'], upstreamScopes, now, ttlSeconds: day });
    expect(await consents.find({ ...subject, now })).toStrictEqual({ scopes: ['desk:read'], upstreamScopes });
    for (const other of [
      { userId: 'user-2' },
      { clientId: 'client-2' },
      { resource: 'http://localhost:4001/other' },
      { redirectUri: 'https://client.example/callback/' },
    ]) {
      expect(await consents.find({ ...subject, ...other, now })).toBeUndefined();
    }
    await consents.remember({ ...subject, scopes: [], now, ttlSeconds: day });
    expect(await consents.find({ ...subject, now })).toStrictEqual({ scopes: [], upstreamScopes: [] });
  });

  test('expire, at the latest after 90 days (SP-16)', async () => {
    const consents = createConsentStore(database.db);
    await consents.remember({ ...subject, scopes: ['desk:read'], now, ttlSeconds: 1000 * day });
    expect(await consents.find({ ...subject, now: later(90 * day - 1) })).toBeDefined();
    expect(await consents.find({ ...subject, now: later(90 * day) })).toBeUndefined();
  });

  test('are forgotten for a client as a whole', async () => {
    const consents = createConsentStore(database.db);
    await consents.remember({ ...subject, scopes: ['desk:read'], now, ttlSeconds: day });
    await consents.remember({ ...subject, clientId: 'client-2', scopes: ['desk:read'], now, ttlSeconds: day });
    await consents.forget({ userId: 'user-1', clientId: 'client-1' });
    expect(await consents.find({ ...subject, now })).toBeUndefined();
    expect(await consents.find({ ...subject, clientId: 'client-2', now })).toBeDefined();
    await consents.forget({ userId: 'user-1', clientId: 'client-2', resource: 'https://elsewhere.example' });
    expect(await consents.find({ ...subject, clientId: 'client-2', now })).toBeDefined();
  });

  test('take a redirect URI longer than an index entry may be', async () => {
    const redirectUri = `https://client.example/${randomBytes(20_000).toString('hex')}`;
    const consents = createConsentStore(database.db);
    await consents.remember({ ...subject, redirectUri, scopes: ['desk:read'], now, ttlSeconds: day });
    expect(await consents.find({ ...subject, redirectUri, now })).toBeDefined();
  });
});

describe('one-time links', () => {
  test('work once, for their purpose, for their time', async () => {
    const links = createOneTimeLinkStore(database.db);
    const token = await links.issue({ purpose: 'password', userId: 'user-1', now, ttlSeconds: 3600 });
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(await links.find({ token, purpose: 'password', now })).toStrictEqual({ userId: 'user-1' });
    expect(await links.find({ token, purpose: 'setup', now })).toBeUndefined();
    expect(await links.redeem({ token, purpose: 'setup', now })).toBe(false);
    expect(await links.redeem({ token, purpose: 'password', now: later(3600) })).toBe(false);
    expect(await links.redeem({ token, purpose: 'password', now })).toBe(true);
    expect(await links.redeem({ token, purpose: 'password', now })).toBe(false);
    expect(await links.find({ token, purpose: 'password', now })).toBeUndefined();
    expect(await dumpTables(database.db)).not.toContain(token);
  });

  test('of eight who redeem one at once, over two connections, exactly one does', async () => {
    const stores = [createOneTimeLinkStore(database.db), createOneTimeLinkStore(await database.another())];
    for (let round = 0; round < rounds(50); round += 1) {
      const token = (await stores[0]?.issue({ purpose: 'setup', now, ttlSeconds: 3600 })) ?? '';
      const results = await atOnce(8, async (index) => stores[index % 2]?.redeem({ token, purpose: 'setup', now }));
      expect(results.filter((result) => result.status === 'fulfilled' && result.value)).toHaveLength(1);
      expect(fulfilled(results)).toBe(8);
    }
  });
});

describe('signing keys', () => {
  const aKey = (kid: string, sequence: number) => ({
    jwk: { kid, alg: 'ES256', kty: 'EC', d: randomBytes(32).toString('base64url') },
    sequence,
    activatesAt: later(60),
    overlapSeconds: 100,
    now,
  });

  test('SP-13: of eight who make the next key at once, over two connections, one does', async () => {
    const fresh = await openTestDatabase();
    const envelope = createEnvelope(randomBytes(32));
    const other = await fresh.another();
    const stores = [createSigningKeyStore(fresh.db, envelope), createSigningKeyStore(other, envelope)] as const;
    await warmUp(fresh.db, other);
    for (let round = 1; round <= rounds(50); round += 1) {
      const made = Array.from({ length: 8 }, (_, index) => aKey(`key-${round}-${index}`, round));
      const results = await atOnce(8, async (index) => stores[index === 0 ? 0 : 1].add(made[index] ?? aKey('', 0)));
      expect(fulfilled(results)).toBe(8);
      const winner = made.filter((_, index) => (results[index] as PromiseFulfilledResult<boolean>).value);
      expect(winner).toHaveLength(1);
      const { keys, lastSequence } = await stores[1].load();
      expect([keys.length, lastSequence]).toEqual([round, round]);
      expect(keys.at(-1)).toMatchObject({ kid: winner[0]?.jwk.kid, jwk: winner[0]?.jwk, createdAt: now });
    }
    await fresh.drop();
  });

  test('SP-4: the private part is stored encrypted, and is gone once the key is retired', async () => {
    const fresh = await openTestDatabase();
    const store = createSigningKeyStore(fresh.db, createEnvelope(randomBytes(32)));
    const key = aKey('secret-key', 1);
    await store.add(key);
    expect(await dumpTables(fresh.db)).not.toContain(key.jwk.d);
    expect((await store.load()).keys).toMatchObject([{ jwk: key.jwk }]);
    expect(await store.retire({ kid: 'secret-key', now: later(1) })).toBe(true);
    expect(await store.retire({ kid: 'secret-key', now: later(2) })).toBe(false);
    expect(await store.load()).toEqual({ keys: [], lastSequence: 1 });
    expect(await fresh.db.prisma.signingKey.findMany()).toMatchObject([{ sealedKey: null, retiredAt: later(1) }]);
    expect(await store.list({ limit: 9 })).toMatchObject([{ kid: 'secret-key', retiredAt: later(1) }]);
    await fresh.drop();
  });

  test('of eight who bring a turn forward at once, one does', async () => {
    const fresh = await openTestDatabase();
    const envelope = createEnvelope(randomBytes(32));
    const other = await fresh.another();
    const stores = [createSigningKeyStore(fresh.db, envelope), createSigningKeyStore(other, envelope)] as const;
    await warmUp(fresh.db, other);
    await stores[0].add(aKey('turned', 1));
    const results = await atOnce(8, async (index) =>
      stores[index % 2 === 0 ? 0 : 1].activate({ kid: 'turned', from: later(60), now: later(index) }),
    );
    expect(results.filter((result) => result.status === 'fulfilled' && result.value)).toHaveLength(1);
    await fresh.drop();
  });
});

describe('audit trail', () => {
  test('keeps every field, newest first, and pages (SP-37)', async () => {
    const log = createAuditLog(database.db);
    const full = {
      time: now,
      type: 'tool.called',
      outcome: 'denied',
      subject: 'user-1',
      client: 'client-1',
      resource: 'http://localhost:4001/mcp',
      tool: 'export_customers',
      address: '::1',
      correlationId: 'c-1',
      durationMs: 12,
      sizeBytes: 34,
      arguments: { query: 'a\0b', secret: '[redacted]' },
      detail: { reason: 'insufficient_scope' },
    } as const;
    await log.record(full);
    for (let index = 0; index < 20; index += 1)
      await log.record({ time: later(1), type: 'token.issued', outcome: 'success', correlationId: `c-1-${index}` });
    const [oldest] = (await log.list({ subject: 'user-1' })).slice(-1);
    expect(oldest).toStrictEqual({ ...full, id: expect.any(String) });
    const page = await log.list({ since: later(1), limit: 15 });
    const rest = await log.list({ since: later(1), limit: 15, before: page.at(-1)?.id ?? '' });
    expect([...page, ...rest].map(({ correlationId }) => correlationId)).toStrictEqual(
      Array.from({ length: 20 }, (_, index) => `c-1-${19 - index}`),
    );
    expect(await log.list({ until: now })).toStrictEqual([]);
  });

  test('takes what an attacker may send', async () => {
    const log = createAuditLog(database.db);
    await log.record({
      time: now,
      type: 'client.authentication_failed',
      outcome: 'denied',
      client: 'a\0b',
      correlationId: 'c-nul',
    });
    expect(await log.list({ correlationId: 'c-nul' })).toMatchObject([{ client: 'a\u{fffd}b' }]);
  });
});
