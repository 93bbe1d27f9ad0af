import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { type AdapterFactory, type AdapterPayload, errors } from 'oidc-provider';
import type { Database } from '../src/database.ts';
import { dumpTables } from '../src/dump.ts';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { createEnvelope } from '../src/envelope.ts';
import { clientSecretMatches } from '../src/token-hash.ts';
import { atOnce, fulfilled, type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const start = new Date('2026-11-20T10:00:00Z');
const startSeconds = start.getTime() / 1000;
const hour = 3600;
const day = 24 * hour;
const envelope = createEnvelope(randomBytes(32));

let now = start;
let database: OpenTestDatabase;
let adapter: AdapterFactory;

const adapterOn = (db: Database) => createEngineAdapter(db, { clock: () => now, envelope, errors });
const secret = () => randomBytes(32).toString('base64url');

beforeAll(async () => {
  database = await openTestDatabase();
  adapter = adapterOn(database.db);
});
afterAll(() => database.drop());

function code(value: string, grantId = 'grant-1'): AdapterPayload {
  return {
    iat: startSeconds,
    exp: startSeconds + 60,
    jti: value,
    kind: 'AuthorizationCode',
    clientId: 'client-1',
    accountId: 'user-1',
    grantId,
    redirectUri: 'http://127.0.0.1:3118/callback',
    scope: 'desk:read',
    resource: 'http://localhost:4001/mcp',
    codeChallenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    codeChallengeMethod: 'S256',
    authTime: startSeconds,
    claims: {},
    expiresWithSession: false,
    nonce: 'n\0nce',
  };
}

function refreshToken(value: string, grantId = 'grant-1'): AdapterPayload {
  return {
    iat: startSeconds + 5,
    iiat: startSeconds,
    exp: startSeconds + 14 * day,
    jti: value,
    kind: 'RefreshToken',
    clientId: 'client-1',
    accountId: 'user-1',
    grantId,
    gty: 'authorization_code',
    scope: 'desk:read desk:write',
    resource: ['http://localhost:4001/mcp', 'http://localhost:4001/other'],
    rotations: 2,
    expiresWithSession: false,
  };
}

const grant: AdapterPayload = {
  iat: startSeconds,
  exp: startSeconds + 30 * day,
  jti: 'grant-1',
  kind: 'Grant',
  clientId: 'client-1',
  accountId: 'user-1',
  resources: { 'http://localhost:4001/mcp': 'desk:read' },
  rejected: { resources: { 'http://localhost:4001/mcp': 'desk:write' } },
} as AdapterPayload;

function pushedRequest(value: string): AdapterPayload {
  return {
    iat: startSeconds,
    exp: startSeconds + 60,
    jti: value,
    kind: 'PushedAuthorizationRequest',
    request: secret(),
  };
}

function deviceCode(value: string, userCode: string): AdapterPayload {
  return {
    iat: startSeconds,
    exp: startSeconds + 600,
    jti: value,
    kind: 'DeviceCode',
    clientId: 'client-1',
    grantId: 'grant-1',
    userCode,
    params: { scope: 'desk:read' },
  };
}

const session = (value: string, uid: string): AdapterPayload => ({
  iat: startSeconds,
  exp: startSeconds + day,
  jti: value,
  kind: 'Session',
  uid,
  accountId: 'user-1',
  loginTs: startSeconds,
  authorizations: { 'client-1': { grantId: 'grant-1' } },
});

const redeemables = [
  ['AuthorizationCode', code],
  ['RefreshToken', refreshToken],
] as const;

const consumables = [
  ['PushedAuthorizationRequest', pushedRequest],
  ['DeviceCode', (value: string) => deviceCode(value, 'ABCD-EFGH')],
] as const;

describe('payloads', () => {
  test.each([
    ...redeemables,
    ...consumables,
    ['Session', (value: string) => session(value, `uid of ${value}`)],
  ] as const)('of %s come back equal and are shared with nobody', async (model, payloadOf) => {
    now = start;
    const value = secret();
    await adapter(model).upsert(value, payloadOf(value), 60);
    const found = await adapter(model).find(value);
    expect(found).toStrictEqual({
      ...payloadOf(value),
      ...(model === 'PushedAuthorizationRequest' && { request: expect.any(String) }),
    });
    Object.assign(found ?? {}, { scope: 'changed', params: 'changed' });
    expect(await adapter(model).find(value)).not.toHaveProperty('scope', 'changed');
  });

  test('of a grant come back equal, and a second save replaces the first', async () => {
    now = start;
    await adapter('Grant').upsert('grant-equal', { ...grant, jti: 'grant-equal' }, 30 * day);
    expect(await adapter('Grant').find('grant-equal')).toStrictEqual({ ...grant, jti: 'grant-equal' });
    const wider = { ...grant, jti: 'grant-equal', resources: { 'http://localhost:4001/mcp': 'desk:read desk:write' } };
    await adapter('Grant').upsert('grant-equal', wider, 30 * day);
    expect(await adapter('Grant').find('grant-equal')).toStrictEqual(wider);
  });

  test('of unknown values are not there', async () => {
    for (const model of ['Client', 'AuthorizationCode', 'RefreshToken', 'ReplayDetection', 'Session']) {
      expect(await adapter(model).find('no\0thing')).toBeUndefined();
    }
    expect(await adapter('Grant').find('nothing')).toBeUndefined();
  });

  test('are not found any more from their expiry on, by the given clock', async () => {
    now = start;
    const value = secret();
    await adapter('AuthorizationCode').upsert(value, code(value), 60);
    await adapter('PushedAuthorizationRequest').upsert(value, pushedRequest(value), 60);
    now = new Date(start.getTime() + 59_000);
    expect(await adapter('AuthorizationCode').find(value)).toBeDefined();
    expect(await adapter('PushedAuthorizationRequest').find(value)).toBeDefined();
    now = new Date(start.getTime() + 60_000);
    expect(await adapter('AuthorizationCode').find(value)).toBeUndefined();
    expect(await adapter('PushedAuthorizationRequest').find(value)).toBeUndefined();
  });
});

describe('consume', () => {
  test.each(redeemables)('a %s cannot be consumed without what is issued for it', async (model, payloadOf) => {
    now = start;
    const value = secret();
    await adapter(model).upsert(value, payloadOf(value), 60);
    await expect(adapter(model).consume(value)).rejects.toThrow(TypeError);
    expect(await adapter(model).find(value)).not.toHaveProperty('consumed');
  });

  test.each(consumables)('marks a %s, and a second save does not bring it back', async (model, payloadOf) => {
    now = start;
    const value = secret();
    await adapter(model).upsert(value, payloadOf(value), 60);
    await adapter(model).consume(value);
    expect(await adapter(model).find(value)).toHaveProperty('consumed', startSeconds);
    await adapter(model).upsert(value, payloadOf(value), 60);
    expect(await adapter(model).find(value)).toHaveProperty('consumed', startSeconds);
  });

  test.each(consumables)(
    'of a %s: of eight at once, over two connections, exactly one wins and the others get invalid_grant',
    async (model, payloadOf) => {
      now = start;
      const second = adapterOn(await database.another());
      for (let round = 0; round < rounds(50); round += 1) {
        const value = secret();
        await adapter(model).upsert(value, payloadOf(value), 60);
        const results = await atOnce(8, (index) => (index % 2 ? adapter : second)(model).consume(value));
        expect(fulfilled(results)).toBe(1);
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(errors.InvalidGrant);
      }
    },
  );
});

describe('replay detection', () => {
  const replay = (id: string): AdapterPayload => ({
    iat: startSeconds,
    exp: startSeconds + 60,
    jti: id,
    kind: 'ReplayDetection',
    iss: 'client-1',
  });

  test('of eight at once with one identifier exactly one wins and the others fail as a client does (AS-10)', async () => {
    now = start;
    const second = adapterOn(await database.another());
    for (let round = 0; round < rounds(50); round += 1) {
      const id = secret();
      const results = await atOnce(8, (index) =>
        (index % 2 ? adapter : second)('ReplayDetection').upsert(id, replay(id), 60),
      );
      expect(fulfilled(results)).toBe(1);
      for (const result of results)
        if (result.status === 'rejected')
          expect(result.reason).toMatchObject({ error: 'invalid_client', statusCode: 401 });
    }
  });

  test('of several at once at one adapter each identifier is used once, and none for another (AS-10)', async () => {
    now = start;
    const one = adapter('ReplayDetection');
    const [used, ...ids] = [secret(), secret(), secret()];
    await one.upsert(used, replay(used), 60);
    const asked = [used, ...ids, ...ids];
    const results = await Promise.allSettled(asked.map((id) => one.upsert(id, replay(id), 60)));
    expect(results.map(({ status }) => status)).toEqual([
      ...['rejected', 'fulfilled', 'fulfilled'],
      ...['rejected', 'rejected'],
    ]);
  });

  test('an identifier that says it lives for ten thousand years is used once all the same (AS-10)', async () => {
    now = start;
    const id = secret();
    const far = { ...replay(id), exp: startSeconds * 1000 };
    await adapter('ReplayDetection').upsert(id, far, 60);
    await expect(adapter('ReplayDetection').upsert(id, far, 60)).rejects.toMatchObject({ error: 'invalid_client' });
  });

  test('an identifier is free again after its expiry', async () => {
    now = start;
    const id = secret();
    await adapter('ReplayDetection').upsert(id, replay(id), 60);
    now = new Date(start.getTime() + 59_000);
    await expect(adapter('ReplayDetection').upsert(id, replay(id), 60)).rejects.toMatchObject({
      error: 'invalid_client',
    });
    now = new Date(start.getTime() + 61_000);
    await adapter('ReplayDetection').upsert(id, { ...replay(id), exp: startSeconds + 121 }, 60);
    await expect(adapter('ReplayDetection').upsert(id, replay(id), 60)).rejects.toBeInstanceOf(
      errors.InvalidClientAuth,
    );
  });
});

describe('revocation', () => {
  test('by grant reaches the tokens of that grant and model, and no others', async () => {
    now = start;
    const [mine, other] = [secret(), secret()];
    for (const [model, payloadOf] of [
      ['AuthorizationCode', code],
      ['RefreshToken', refreshToken],
    ] as const) {
      await adapter(model).upsert(mine, payloadOf(mine, 'grant-mine'), 60);
      await adapter(model).upsert(other, payloadOf(other, 'grant-other'), 60);
    }
    await adapter('RefreshToken').revokeByGrantId('grant-mine');
    expect(await adapter('RefreshToken').find(mine)).toBeUndefined();
    expect(await adapter('RefreshToken').find(other)).toBeDefined();
    expect(await adapter('AuthorizationCode').find(mine)).toBeDefined();
    await adapter('AuthorizationCode').revokeByGrantId('grant-mine');
    expect(await adapter('AuthorizationCode').find(mine)).toBeUndefined();
    expect(await adapter('AuthorizationCode').find(other)).toBeDefined();
  });

  test('with a grant go its codes and refresh tokens, also when all is revoked at once', async () => {
    now = start;
    for (let round = 0; round < rounds(50); round += 1) {
      const id = `grant-${secret()}`;
      await adapter('Grant').upsert(id, { ...grant, jti: id }, 60);
      const values = Array.from({ length: 5 }, secret);
      for (const value of values) {
        await adapter('RefreshToken').upsert(value, refreshToken(value, id), 60);
        await adapter('AuthorizationCode').upsert(value, code(value, id), 60);
      }
      await Promise.all([
        adapter('RefreshToken').revokeByGrantId(id),
        adapter('AuthorizationCode').revokeByGrantId(id),
        adapter('DeviceCode').revokeByGrantId(id),
        adapter('Grant').destroy(id),
      ]);
      expect(await adapter('Grant').find(id)).toBeUndefined();
      for (const value of values) expect(await adapter('RefreshToken').find(value)).toBeUndefined();
    }
    const [id, value] = [`grant-${secret()}`, secret()];
    await adapter('RefreshToken').upsert(value, refreshToken(value, id), 60);
    await adapter('AuthorizationCode').upsert(value, code(value, id), 60);
    await adapter('Grant').destroy(id);
    expect(await adapter('RefreshToken').find(value)).toBeUndefined();
    expect(await adapter('AuthorizationCode').find(value)).toBeUndefined();
  });

  test.each([...redeemables, ...consumables])('destroying a %s removes it', async (model, payloadOf) => {
    now = start;
    const value = secret();
    await adapter(model).upsert(value, payloadOf(value), 60);
    await adapter(model).destroy(value);
    expect(await adapter(model).find(value)).toBeUndefined();
    await expect(adapter(model).destroy(value)).resolves.toBeUndefined();
  });
});

describe('an interaction', () => {
  const interaction = (value: string): AdapterPayload => ({
    jti: value,
    kind: 'Interaction',
    uid: value,
    exp: startSeconds + 600,
  });
  const answered = (value: string): AdapterPayload => ({ ...interaction(value), result: { consent: {} } });

  test('is gone on from by one of eight simultaneous resumptions', async () => {
    now = start;
    for (let round = 0; round < rounds(50); round += 1) {
      const value = secret();
      await adapter('Interaction').upsert(value, interaction(value), 600);
      await adapter('Interaction').upsert(value, answered(value), 600);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, () => Promise.resolve(adapter('Interaction').destroy(value))),
      );
      const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      expect(lost).toHaveLength(7);
      for (const reason of lost) expect(reason).toBeInstanceOf(errors.SessionNotFound);
    }
  });

  test('is not brought back by an answer that comes too late', async () => {
    now = start;
    const value = secret();
    await adapter('Interaction').upsert(value, interaction(value), 600);
    await adapter('Interaction').destroy(value);
    await expect(adapter('Interaction').upsert(value, answered(value), 600)).rejects.toBeInstanceOf(
      errors.SessionNotFound,
    );
    expect(await adapter('Interaction').find(value)).toBeUndefined();
  });
});

describe('lookups by something else', () => {
  test('a session is found by its uid, with its id', async () => {
    now = start;
    const value = secret();
    await adapter('Session').upsert(value, session(value, 'uid-1'), day);
    expect(await adapter('Session').findByUid('uid-1')).toStrictEqual(session(value, 'uid-1'));
    expect(await adapter('Session').findByUid('uid-2')).toBeUndefined();
  });

  test('two tabs that rotate one session at once both save it', async () => {
    now = start;
    const results = await atOnce(8, () => {
      const value = secret();
      return adapter('Session').upsert(value, session(value, 'uid-tabs'), day);
    });
    expect(fulfilled(results)).toBe(8);
    expect(await adapter('Session').findByUid('uid-tabs')).toHaveProperty('accountId', 'user-1');
  });

  test('a device code is found by its user code, and can be saved again from there', async () => {
    now = start;
    const value = secret();
    await adapter('DeviceCode').upsert(value, deviceCode(value, 'WXYZ-1234'), 600);
    const found = await adapter('DeviceCode').findByUserCode('WXYZ-1234');
    expect(found).toStrictEqual(deviceCode(value, 'WXYZ-1234'));
    await adapter('DeviceCode').upsert(String(found?.jti), { ...found, accountId: 'user-1' }, 600);
    expect(await adapter('DeviceCode').find(value)).toHaveProperty('accountId', 'user-1');
  });
});

describe('clients', () => {
  const metadata = (id: string): AdapterPayload => ({
    client_id: id,
    client_name: 'Cursor',
    client_id_issued_at: startSeconds,
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback', 'http://localhost:8787/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    client_uri: 'https://cursor.com',
  });

  test('come back equal', async () => {
    now = start;
    await adapter('Client').upsert('client-equal', metadata('client-equal'));
    expect(await adapter('Client').find('client-equal')).toStrictEqual(metadata('client-equal'));
  });

  test('keep a hash of their secret, which survives a second save and is no secret itself', async () => {
    now = start;
    const clientSecret = secret();
    await adapter('Client').upsert('client-secret', { ...metadata('client-secret'), client_secret: clientSecret });
    const found = await adapter('Client').find('client-secret');
    expect(clientSecretMatches(String(found?.client_secret), clientSecret)).toBe(true);
    expect(clientSecretMatches(String(found?.client_secret), String(found?.client_secret))).toBe(false);
    await adapter('Client').upsert('client-secret', found ?? {});
    const again = await adapter('Client').find('client-secret');
    expect(clientSecretMatches(String(again?.client_secret), clientSecret)).toBe(true);
  });

  test('that registered themselves and are looked up, but never used, expire after a day', async () => {
    now = start;
    await adapter('Client').upsert('client-expiring', metadata('client-expiring'));
    now = new Date(start.getTime() + (day - 1) * 1000);
    expect(await adapter('Client').find('client-expiring')).toBeDefined();
    now = new Date(start.getTime() + day * 1000);
    expect(await adapter('Client').find('client-expiring')).toBeUndefined();
  });

  test('that are disabled, not reviewed or deleted are not found', async () => {
    now = start;
    await adapter('Client').upsert('client-disabled', metadata('client-disabled'));
    await database.db.prisma.client.update({ where: { id: 'client-disabled' }, data: { disabledAt: now } });
    expect(await adapter('Client').find('client-disabled')).toBeUndefined();
    for (const review of ['pending', 'rejected'] as const) {
      await adapter('Client').upsert(`client-${review}`, metadata(`client-${review}`));
      await database.db.prisma.client.update({ where: { id: `client-${review}` }, data: { review } });
      expect(await adapter('Client').find(`client-${review}`)).toBeUndefined();
    }
    await adapter('Client').upsert('client-deleted', metadata('client-deleted'));
    await adapter('Client').destroy('client-deleted');
    expect(await adapter('Client').find('client-deleted')).toBeUndefined();
  });

  test('that an administrator registered stay', async () => {
    now = start;
    await adapter('Client').upsert('client-manual', metadata('client-manual'));
    await database.db.prisma.client.update({
      where: { id: 'client-manual' },
      data: { registration: 'manual', expiresAt: null },
    });
    now = new Date(start.getTime() + 1000 * day * 1000);
    expect(await adapter('Client').find('client-manual')).toBeDefined();
    await adapter('Client').upsert('client-manual', metadata('client-manual'));
    now = new Date(start.getTime() + 2000 * day * 1000);
    expect(await adapter('Client').find('client-manual')).toBeDefined();
  });

  test('with U+0000 in their metadata are refused as bad metadata on both databases', async () => {
    const registration = adapter('Client').upsert('client-nul', { ...metadata('client-nul'), client_name: 'a\0b' });
    await expect(registration).rejects.toBeInstanceOf(errors.InvalidClientMetadata);
  });
});

test('a dump of every table holds no bearer value (SP-8)', async () => {
  now = start;
  const values = Object.fromEntries(
    ['code', 'refresh', 'session', 'interaction', 'par', 'device', 'rat', 'iat', 'access', 'client'].map((name) => [
      name,
      secret(),
    ]),
  );
  const value = (name: string) => String(values[name]);
  await adapter('AuthorizationCode').upsert(value('code'), code(value('code')), 60);
  await adapter('RefreshToken').upsert(value('refresh'), refreshToken(value('refresh')), 60);
  await adapter('Session').upsert(value('session'), session(value('session'), 'uid-dump'), 60);
  await adapter('Interaction').upsert(
    value('interaction'),
    {
      exp: startSeconds + 60,
      jti: value('interaction'),
      kind: 'Interaction',
      session: { accountId: 'user-1', uid: 'uid-dump', cookie: value('session') },
      params: { state: 'st\0te' },
      parJti: value('par'),
      deviceCode: value('device'),
    },
    60,
  );
  await adapter('PushedAuthorizationRequest').upsert(
    value('par'),
    { ...pushedRequest(value('par')), request: `request ${value('code')}` },
    60,
  );
  await adapter('DeviceCode').upsert(value('device'), deviceCode(value('device'), 'DUMP-CODE'), 60);
  await adapter('RegistrationAccessToken').upsert(
    value('rat'),
    { jti: value('rat'), kind: 'RegistrationAccessToken', clientId: 'client-1', exp: startSeconds + 60 },
    60,
  );
  await adapter('InitialAccessToken').upsert(
    value('iat'),
    { jti: value('iat'), kind: 'InitialAccessToken', policies: ['open'], exp: startSeconds + 60 },
    60,
  );
  await adapter('AccessToken').upsert(
    value('access'),
    { jti: value('access'), kind: 'AccessToken', grantId: 'grant-1', exp: startSeconds + 60 },
    60,
  );
  await adapter('Client').upsert('client-dump', {
    client_id: 'client-dump',
    client_secret: value('client'),
    redirect_uris: [],
  });

  const dump = await dumpTables(database.db);
  expect(dump).toContain('client-dump');
  for (const [name, text] of [...Object.entries(values), ['user code', 'DUMP-CODE']]) {
    expect([name, dump.includes(String(text))]).toStrictEqual([name, false]);
  }
  expect((await adapter('Interaction').find(value('interaction')))?.session).toStrictEqual({
    accountId: 'user-1',
    uid: 'uid-dump',
  });
});

test('a payload moved to another row does not open', async () => {
  now = start;
  const [mine, victim] = [secret(), secret()];
  await adapter('Session').upsert(mine, { ...session(mine, 'uid-mine'), accountId: 'attacker' }, 60);
  await adapter('Session').upsert(victim, { ...session(victim, 'uid-victim'), accountId: 'victim' }, 60);
  const rows = database.db.prisma.engineRecord;
  const victimRow = await rows.findFirstOrThrow({ where: { uid: 'uid-victim' } });
  await rows.updateMany({ where: { uid: 'uid-mine' }, data: { payload: victimRow.payload } });
  await expect(adapter('Session').find(mine)).rejects.toThrow();
});
