import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { clean } from '../src/clean.ts';
import { type ClientPermissions, type ClientStore, createClientStore, type NewClient } from '../src/client-store.ts';
import { createConsentStore } from '../src/consent-store.ts';
import type { Database } from '../src/database.ts';
import { dumpTables } from '../src/dump.ts';
import { machineGrantId } from '../src/grant-ending.ts';
import { createRegistrationTokenStore } from '../src/registration-token-store.ts';
import { inTransaction } from '../src/transaction.ts';
import { atOnce, fulfilled, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const hour = 3600;
const day = 24 * hour;

let database: OpenTestDatabase;
let clients: ClientStore;
beforeAll(async () => {
  database = await openTestDatabase();
  clients = createClientStore(database.db);
});
afterAll(() => database.drop());

function client(id: string, changes: Partial<NewClient> = {}): NewClient {
  return {
    metadata: { client_id: id, client_name: `Client ${id}`, redirect_uris: ['https://app.example/cb'] },
    registration: 'dynamic',
    now,
    ...changes,
  };
}

describe('clients', () => {
  test('come back as they were registered, and never with a secret', async () => {
    const permissions = { firstParty: true, allowedScopes: ['desk:read'], allowedResources: undefined };
    const { client: stored, reused } = await clients.register(
      client('whole', { registration: 'manual', secret: 'the-secret', managementToken: 'the-token', permissions }),
    );
    expect(reused).toBe(false);
    expect(stored).toStrictEqual({
      id: 'whole',
      registration: 'manual',
      state: 'active',
      resourceServer: undefined,
      metadata: { client_id: 'whole', client_name: 'Client whole', redirect_uris: ['https://app.example/cb'] },
      ...permissions,
      createdAt: now,
      updatedAt: now,
      lastUsedAt: undefined,
      expiresAt: undefined,
    });
    expect(await clients.find({ id: 'whole', now: later(1000 * day) })).toStrictEqual(stored);
    expect(await clients.find({ id: 'no\0body', now })).toBeUndefined();
    expect(await dumpTables(database.db)).not.toMatch(/the-secret|the-token/);
  });

  test('that are the server of a resource are found by its URL; of eight at once one is stored', async () => {
    const url = 'https://mcp.example/mcp';
    const serving = (id: string) => client(id, { registration: 'manual', resourceServer: url, secret: `s-${id}` });
    expect(await clients.findResourceServer({ url, now })).toBeUndefined();
    await warmUp(database.db);
    expect(fulfilled(await atOnce(8, (index) => clients.register(serving(`server-${index}`))))).toBe(1);
    const found = await clients.findResourceServer({ url, now });
    expect(found).toMatchObject({ id: expect.stringMatching(/^server-\d$/), resourceServer: url });
    expect(await clients.find({ id: found?.id ?? '', now })).toStrictEqual(found);
    await clients.setDisabled({ id: found?.id ?? '', disabled: true, now });
    expect(await clients.findResourceServer({ url, now })).toMatchObject({ state: 'disabled' });
    for (const other of [`${url}/`, 'https://mcp.example', 'HTTPS://mcp.example/mcp', 'https://mcp.example/mcp\0'])
      expect(await clients.findResourceServer({ url: other, now })).toBeUndefined();
    await clients.delete({ id: found?.id ?? '', now });
    expect(await clients.findResourceServer({ url, now })).toBeUndefined();
    await clients.register(serving('server-again'));
    expect(await clients.findResourceServer({ url, now })).toMatchObject({ id: 'server-again', state: 'active' });
  });

  test('are listed page by page, the newest first, by state', async () => {
    const fresh = await openTestDatabase();
    const store = createClientStore(fresh.db);
    for (let index = 0; index < 5; index += 1)
      await store.register(client(`listed-${index}`, { now: later(index >> 1), underReview: index === 4 }));
    await store.setDisabled({ id: 'listed-3', disabled: true, now });
    const first = await store.list({ limit: 3, now });
    expect(first.map(({ id }) => id)).toEqual(['listed-4', 'listed-2', 'listed-3']);
    const rest = await store.list({ limit: 3, now, after: first[2] });
    expect(rest.map(({ id }) => id)).toEqual(['listed-0', 'listed-1']);
    for (const [state, ids] of [
      ['active', ['listed-2', 'listed-0', 'listed-1']],
      ['pending', ['listed-4']],
      ['disabled', ['listed-3']],
      ['rejected', []],
    ] as const) {
      expect((await store.list({ state, limit: 9, now })).map(({ id }) => id)).toEqual(ids);
    }
    expect(await store.list({ limit: 9, now: later(30 * day) })).toEqual([]);
    await fresh.drop();
  });

  test('wait, are approved, rejected, disabled and enabled', async () => {
    await clients.register(client('reviewed', { underReview: true }));
    const standing = () => clients.standing({ id: 'reviewed', now });
    expect(await standing()).toEqual({ state: 'pending', name: 'Client reviewed' });
    expect(await clients.reject({ id: 'reviewed', now })).toBe(true);
    expect(await clients.reject({ id: 'reviewed', now })).toBe(false);
    expect(await standing()).toMatchObject({ state: 'rejected' });
    expect(await clients.approve({ id: 'reviewed', now })).toBe(true);
    expect(await clients.approve({ id: 'reviewed', now })).toBe(false);
    expect(await standing()).toEqual({ state: 'active' });
    expect(await clients.setDisabled({ id: 'reviewed', disabled: true, now })).toBe(true);
    expect(await standing()).toMatchObject({ state: 'disabled' });
    expect(await clients.setDisabled({ id: 'reviewed', disabled: false, now })).toBe(true);
    expect(await standing()).toEqual({ state: 'active' });
    expect(await clients.setDisabled({ id: 'nobody', disabled: true, now })).toBe(false);
    expect(await clients.standing({ id: 'no\0body', now })).toEqual({ state: 'unknown' });
  });

  test('that are not used go after a day, that are used 90 days after the last use, and leave a tombstone', async () => {
    await clients.register(client('unused'));
    await clients.register(client('used'));
    await clients.register(client('waiting', { underReview: true }));
    await clients.noteUse({ id: 'used', now: later(hour) });
    await clients.noteUse({ id: 'used', now: later(hour + 60) });
    expect(await clients.find({ id: 'used', now })).toMatchObject({ lastUsedAt: later(hour) });
    await clean(database.db, later(day - 1));
    expect(await clients.find({ id: 'unused', now: later(day - 1) })).toBeDefined();
    expect(await clients.find({ id: 'unused', now: later(day) })).toBeUndefined();
    expect(await clients.standing({ id: 'unused', now: later(day) })).toMatchObject({ state: 'expired' });

    await clean(database.db, later(day));
    expect(await clients.standing({ id: 'unused', now: later(day) })).toEqual({
      state: 'expired',
      name: 'Client unused',
    });
    expect(await clients.standing({ id: 'waiting', now: later(6 * day) })).toMatchObject({ state: 'pending' });
    expect(await clients.standing({ id: 'used', now: later(90 * day) })).toEqual({ state: 'active' });
    await clients.noteUse({ id: 'used', now: later(90 * day) });
    expect(await clients.standing({ id: 'used', now: later(179 * day) })).toEqual({ state: 'active' });
    await clean(database.db, later(180 * day));
    expect(await clients.standing({ id: 'used', now: later(180 * day) })).toMatchObject({ state: 'expired' });
    expect(await clients.standing({ id: 'unused', now: later(8 * day) })).toEqual({ state: 'unknown' });
  });

  test('are written at most once an hour when they are used', async () => {
    let writes = 0;
    const statements: Database['statements'] = {
      ...database.db.statements,
      run: (statement, ...values) => {
        if (statement.writes) writes += 1;
        return database.db.statements.run(statement, ...values);
      },
    };
    const observed = createClientStore({ ...database.db, statements });
    await observed.register(client('busy'));
    for (const [seconds, expected] of [
      [0, 1],
      [hour - 1, 1],
      [hour, 2],
    ] as const) {
      for (let use = 0; use < 5; use += 1) await observed.noteUse({ id: 'busy', now: later(seconds) });
      expect([seconds, writes]).toEqual([seconds, expected]);
    }
  });

  test('that are deleted take their grants, tokens and consents along', async () => {
    const { prisma } = database.db;
    await clients.register(client('leaving'));
    const whose = { userId: 'user-1', clientId: 'leaving' };
    const times = { issuedAt: now, expiresAt: later(day) };
    await prisma.grant.create({ data: { id: 'grant-leaving', ...whose, detail: '{}', ...times } });
    await prisma.refreshToken.create({
      data: { id: 'refresh-leaving', grantId: 'grant-leaving', ...whose, detail: '{}', firstIssuedAt: now, ...times },
    });
    await createConsentStore(database.db).remember({
      ...whose,
      resource: 'r',
      redirectUri: 'https://app.example/cb',
      scopes: [],
      now,
      ttlSeconds: day,
    });
    expect(await clients.delete({ id: 'leaving', now })).toEqual({ grants: 1 });
    expect(await clients.delete({ id: 'leaving', now })).toBeUndefined();
    for (const table of [prisma.grant, prisma.refreshToken, prisma.consent] as const)
      expect(await (table as typeof prisma.grant).count({ where: { clientId: 'leaving' } })).toBe(0);
    expect(await clients.standing({ id: 'leaving', now })).toEqual({ state: 'deleted', name: 'Client leaving' });
  });

  test('that may name less than before lose the tokens that they have, and those who may name more do not (SP-12)', async () => {
    const { prisma } = database.db;
    const [url, other] = ['https://mcp.example/limited', 'https://mcp.example/other'];
    const permissions = { firstParty: false, allowedScopes: ['a', 'b'], allowedResources: [url, other] };
    await clients.register(client('limited', { registration: 'manual', permissions }));
    const resources = JSON.stringify({ [url]: 'a b' });
    const times = { issuedAt: now, expiresAt: later(day) };
    await prisma.grant.create({
      data: { id: 'limited', userId: 'u', clientId: 'limited', resources, detail: '{}', ...times },
    });
    const ended = () => prisma.grant.findUnique({ where: { id: 'limited' }, select: { tokensEndedUntil: true } });
    const update = (changes: Partial<ClientPermissions>) =>
      clients.update({ id: 'limited', permissions: changes, now });

    await update({ allowedScopes: ['a', 'b', 'c'] });
    await update({ firstParty: true, allowedResources: undefined });
    expect(await ended()).toEqual({ tokensEndedUntil: null });
    await update({ allowedScopes: ['a', 'c'] });
    expect(await ended()).toEqual({ tokensEndedUntil: later(1) });
    expect(await prisma.revocation.count({ where: { grantId: 'limited', resource: url } })).toBe(1);

    await update({ allowedResources: [url, other] });
    await update({ allowedResources: [other] });
    const issuedUntil = { gte: later(10), lt: later(15) };
    const machine = { grantId: machineGrantId('limited', url), resource: url, issuedUntil };
    expect(await prisma.revocation.findFirst({ where: machine })).not.toBeNull();
  });

  test('lose what was issued while those who limit them waited for a lock (SP-12)', async () => {
    const { prisma } = database.db;
    await clients.register(client('waiting', { registration: 'manual' }));
    const times = { issuedAt: now, expiresAt: later(day) };
    await prisma.grant.create({ data: { id: 'waiting', userId: 'u', clientId: 'waiting', detail: '{}', ...times } });
    await inTransaction(database.db, (within) =>
      createClientStore({ ...within, elapsedMs: () => 3500 }).update({
        id: 'waiting',
        permissions: { allowedScopes: ['a'] },
        now,
      }),
    );
    const { tokensEndedUntil } = await prisma.grant.findUniqueOrThrow({ where: { id: 'waiting' } });
    expect(tokensEndedUntil).toEqual(later(4));
  });

  test('keep the old secret for as long as the overlap says', async () => {
    await clients.register(client('rotating', { secret: 'old' }));
    expect(await clients.rotateSecret({ id: 'rotating', secret: 'new', overlapSeconds: hour, now })).toBe(true);
    const holds = (secret: string, seconds: number) =>
      clients.holdsSecret({ id: 'rotating', secret, now: later(seconds) });
    expect([await holds('old', hour - 1), await holds('new', hour - 1)]).toEqual([true, true]);
    expect([await holds('old', hour), await holds('new', hour)]).toEqual([false, true]);
    await clients.rotateSecret({ id: 'rotating', secret: 'newest', overlapSeconds: 0, now });
    expect([await holds('old', 0), await holds('new', 0), await holds('newest', 0)]).toEqual([false, false, true]);
    expect(await holds('', 0)).toBe(false);
  });

  test('registered eight times at once in the same words, over two connections, are one', async () => {
    const stores = [clients, createClientStore(await database.another())];
    await warmUp(database.db);
    for (let round = 0; round < rounds(20); round += 1) {
      const results = await atOnce(8, (index) =>
        (stores[index % 2] ?? clients).register(
          client(`same-${round}-${index}`, { reuseKey: `key-${round}`, now: later(round) }),
        ),
      );
      const outcomes = results.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
      expect(new Set(outcomes.map((outcome) => outcome?.client.id)).size).toBe(1);
      expect(outcomes.filter((outcome) => outcome?.reused === false)).toHaveLength(1);
    }
  });

  test('are registered anew once the one with the same words has expired, and live a day from the last registration', async () => {
    const first = await clients.register(client('reused-1', { reuseKey: 'reused' }));
    const again = await clients.register(client('reused-2', { reuseKey: 'reused', now: later(day - 1) }));
    expect(again).toMatchObject({ reused: true, client: { id: first.client.id, expiresAt: later(2 * day - 1) } });
    const anew = await clients.register(client('reused-3', { reuseKey: 'reused', now: later(3 * day) }));
    expect(anew).toMatchObject({ reused: false, client: { id: 'reused-3' } });
  });

  test('change themselves eight times at once with one token: one succeeds', async () => {
    const stores = [clients, createClientStore(await database.another())];
    for (let round = 0; round < rounds(20); round += 1) {
      const id = `managed-${round}`;
      await clients.register(client(id, { managementToken: 'token-0' }));
      const results = await atOnce(8, (index) =>
        (stores[index % 2] ?? clients).updateManaged({
          id,
          metadata: { client_id: id, client_name: `name ${index}` },
          managementToken: 'token-0',
          nextManagementToken: `token-${index + 1}`,
          underReview: false,
          now,
        }),
      );
      const winners = results.flatMap((result, index) =>
        result.status === 'fulfilled' && result.value ? [index] : [],
      );
      expect(winners).toHaveLength(1);
      const managementToken = `token-${(winners[0] ?? 0) + 1}`;
      expect(await clients.findManaged({ id, managementToken, now })).toMatchObject({
        metadata: { client_name: `name ${winners[0]}` },
      });
      expect(await clients.findManaged({ id, managementToken: 'token-0', now })).toBeUndefined();
    }
  });
});

describe('registration tokens', () => {
  test('are stored hashed, listed, revoked and expire', async () => {
    const tokens = createRegistrationTokenStore(database.db);
    const { id, token } = await tokens.issue({ name: 'Build machines', maxUses: null, now, ttlSeconds: day });
    expect(token).toMatch(/^pcr_[\w-]{43}$/);
    expect(await dumpTables(database.db)).not.toContain(token.slice(4));
    expect(await tokens.redeem({ token, now })).toEqual({ id, name: 'Build machines' });
    expect(await tokens.redeem({ token, now: later(1) })).toEqual({ id, name: 'Build machines' });
    expect(await tokens.list({ limit: 9, now })).toStrictEqual([
      {
        id,
        name: 'Build machines',
        maxUses: undefined,
        uses: 2,
        createdAt: now,
        expiresAt: later(day),
        lastUsedAt: later(1),
        revokedAt: undefined,
      },
    ]);
    expect(await tokens.check({ token, now: later(day) })).toBe(false);
    expect(await tokens.check({ token: `${token}x`, now })).toBe(false);
    expect(await tokens.revoke({ id, now })).toBe(true);
    expect(await tokens.revoke({ id, now })).toBe(false);
    expect(await tokens.redeem({ token, now })).toBeUndefined();
  });

  test.each([1, 3])('that are good for %i uses give so many to eight who come at once', async (maxUses) => {
    const stores = [createRegistrationTokenStore(database.db), createRegistrationTokenStore(await database.another())];
    for (let round = 0; round < rounds(20); round += 1) {
      const [store] = stores;
      const { token } = (await store?.issue({ name: 'race', maxUses, now, ttlSeconds: day })) ?? { token: '' };
      const results = await atOnce(8, async (index) => stores[index % 2]?.redeem({ token, now }));
      const redeemed = results.filter((result) => result.status === 'fulfilled' && result.value);
      expect(redeemed).toHaveLength(maxUses);
    }
  });
});
