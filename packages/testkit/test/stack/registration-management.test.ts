import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { JsonAnswer } from '../../src/index.ts';
import { bearer, createHttpPerson, dumpDatabase, dumpText, register, requestToken, sendJson } from '../../src/index.ts';
import { obtainCode, redeem, type Target, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const metadata = {
  client_name: 'Web app',
  redirect_uris: ['https://app.example/callback'],
  token_endpoint_auth_method: 'client_secret_post',
};

type Managed = { id: string; secret: string; uri: string; token: string };

let database: TestDatabase;
let server: InProcess;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  target = await targetOf(server);
});

afterAll(async () => {
  await server.close();
  await database.drop();
});

async function registered(changes: Record<string, unknown> = {}): Promise<Managed> {
  const { status, json = {} } = await register(target.server, { ...metadata, ...changes });
  expect(status).toBe(201);
  return {
    id: String(json.client_id),
    secret: String(json.client_secret),
    uri: String(json.registration_client_uri),
    token: String(json.registration_access_token),
  };
}

const read = ({ uri, token }: Pick<Managed, 'uri' | 'token'>) => sendJson(uri, { headers: bearer(token) });

const update = ({ uri, token }: Pick<Managed, 'uri' | 'token'>, body: unknown): Promise<JsonAnswer> =>
  sendJson(uri, {
    method: 'PUT',
    headers: { ...bearer(token), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const remove = ({ uri, token }: Pick<Managed, 'uri' | 'token'>) =>
  sendJson(uri, { method: 'DELETE', headers: bearer(token) });

describe('a client that looks after its registration (RFC 7592)', () => {
  test('reads it, without the secret or its hash, and no cache keeps the answer', async () => {
    const client = await registered();
    const answer = await read(client);
    expect(answer).toMatchObject({
      status: 200,
      json: {
        ...metadata,
        client_id: client.id,
        registration_client_uri: client.uri,
        registration_access_token: client.token,
      },
    });
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'access-control-allow-origin': '*' });
    expect(answer.text).not.toContain('client_secret"');
    const { secretHash } = await server.database.prisma.client.findUniqueOrThrow({ where: { id: client.id } });
    expect(secretHash).toEqual(expect.any(String));
    expect(answer.text).not.toContain(String(secretHash));
    expect(dumpText(await dumpDatabase(database.url))).not.toContain(client.token);
  });

  test.each([
    ['no token', () => ({})],
    ['a wrong token', () => bearer('x'.repeat(43))],
    ["another client's token", (other: Managed) => bearer(other.token)],
    ['its secret', (_: Managed, own: Managed) => bearer(own.secret)],
  ])('is refused with %s, and nothing changes', async (_what, headersOf) => {
    const [own, other] = [await registered(), await registered()];
    const headers = headersOf(other, own);
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await sendJson(own.uri, {
        method,
        headers: { ...headers, 'content-type': 'application/json' },
        ...(method === 'PUT' && { body: JSON.stringify({ ...metadata, client_id: own.id, client_name: 'Evil' }) }),
      });
      expect([method, answer.status, answer.json?.error]).toEqual([method, 401, 'invalid_token']);
      expect(answer.headers['www-authenticate']).toContain('Bearer');
    }
    expect((await read(own)).json?.client_name).toBe('Web app');
    expect((await read(other)).status).toBe(200);
  });

  test('updates it under the rules of a registration, and gets another registration token', async () => {
    const client = await registered();
    const answer = await update(client, {
      ...metadata,
      client_id: client.id,
      client_secret: client.secret,
      client_name: 'Renamed',
      redirect_uris: ['http://localhost:1/callback', 'javascript:alert(1)'],
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      scope: 'openid everything',
      application_type: 'web',
    });
    expect(answer).toMatchObject({
      status: 200,
      json: {
        client_id: client.id,
        client_name: 'Renamed',
        redirect_uris: ['http://localhost:1/callback'],
        grant_types: ['authorization_code'],
        application_type: 'native',
      },
    });
    expect(answer.json).not.toHaveProperty('client_secret');
    const token = String(answer.json?.registration_access_token);
    expect(token).not.toBe(client.token);
    expect((await read(client)).status).toBe(401);
    expect((await read({ ...client, token })).status).toBe(200);
    // The secret is the one that it was.
    const own = { id: client.id, secret: client.secret, redirectUri: 'http://localhost:1/callback' };
    const code = await obtainCode(target, own, { person: createHttpPerson() });
    expect((await redeem(target, own, { code, changes: { client_secret: client.secret } })).status).toBe(200);
  });

  test('gets a secret when it begins to need one, and loses it when it does not any more', async () => {
    const client = await registered();
    const bare = await update(client, { ...metadata, client_id: client.id, token_endpoint_auth_method: 'none' });
    expect([bare.status, bare.json?.client_secret]).toEqual([200, undefined]);
    const next = { ...client, token: String(bare.json?.registration_access_token) };
    const again = await update(next, { ...metadata, client_id: client.id });
    expect(again.json?.client_secret).toEqual(expect.any(String));
    expect(again.json?.client_secret).not.toBe(client.secret);
    const tokenAnswer = await requestToken(target.server, {
      grant_type: 'refresh_token',
      refresh_token: 'x',
      client_id: client.id,
      client_secret: client.secret,
    });
    expect([tokenAnswer.status, tokenAnswer.json?.error]).toEqual([401, 'invalid_client']);
  });

  test.each([
    ['another client_id', (_: Managed) => ({ client_id: 'other' }), 'invalid_request', 'client_id'],
    ['no client_id', () => ({ client_id: undefined }), 'invalid_request', 'client_id'],
    ['a wrong secret', () => ({ client_secret: 'wrong' }), 'invalid_request', 'client_secret'],
    ['no text as secret', () => ({ client_secret: { a: 1 } }), 'invalid_request', 'client_secret'],
    [
      'its registration token',
      ({ token }: Managed) => ({ registration_access_token: token }),
      'invalid_request',
      'registration_access_token',
    ],
    ['an age', () => ({ client_id_issued_at: 1 }), 'invalid_request', 'client_id_issued_at'],
    ['no redirect URI', () => ({ redirect_uris: ['javascript:x'] }), 'invalid_redirect_uri', 'redirect_uris'],
    ['keys without any', () => ({ token_endpoint_auth_method: 'private_key_jwt' }), 'invalid_client_metadata', 'jwks'],
  ])('is refused an update with %s, and keeps its registration and token', async (_what, changesOf, error, field) => {
    const client = await registered();
    const answer = await update(client, {
      ...metadata,
      client_id: client.id,
      client_name: 'Evil',
      ...changesOf(client),
    });
    expect([answer.status, answer.json?.error]).toEqual([400, error]);
    expect(answer.json?.error_description).toContain(field);
    expect((await read(client)).json?.client_name).toBe('Web app');
  });

  test('of eight updates at once with one token, one succeeds', async () => {
    for (let round = 0; round < rounds(10); round += 1) {
      const client = await registered();
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          update(client, { ...metadata, client_id: client.id, client_name: `Name ${index}` }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401, 401, 401, 401]);
      const winner = answers.find(({ status }) => status === 200)?.json;
      const kept = await read({ ...client, token: String(winner?.registration_access_token) });
      expect(kept.json?.client_name).toBe(winner?.client_name);
    }
  });

  test('deletes it, and with it everything that users had allowed', async () => {
    const client = await registered();
    const own = { id: client.id, secret: client.secret, redirectUri: 'https://app.example/callback' };
    const person = createHttpPerson();
    const credentials = { client_secret: client.secret };
    const tokens = tokensOf(
      await redeem(target, own, { code: await obtainCode(target, own, { person }), changes: credentials }),
    );
    const { prisma } = server.database;
    const where = { clientId: client.id };
    expect(await prisma.grant.count({ where })).toBe(1);
    expect(await remove(client)).toMatchObject({ status: 204, text: '' });
    const counts = [
      prisma.grant.count({ where }),
      prisma.refreshToken.count({ where }),
      prisma.consent.count({ where }),
    ];
    expect(await Promise.all(counts)).toEqual([0, 0, 0]);
    const refreshed = await requestToken(target.server, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh,
      client_id: client.id,
      ...credentials,
    });
    expect([refreshed.status, refreshed.json?.error]).toEqual([401, 'invalid_client']);
    expect((await read(client)).status).toBe(401);
    expect((await remove(client)).status).toBe(401);
  });

  test('every change and every refusal is in the audit trail, and no credential', async () => {
    const client = await registered({ client_name: 'Audited' });
    await update(client, { ...metadata, client_id: 'other' });
    const { json } = await update(client, { ...metadata, client_id: client.id, client_name: 'Audited again' });
    const next = { ...client, token: String(json?.registration_access_token) };
    await remove(next);
    const log = await createAuditLog(server.database).list({ client: client.id });
    expect(log.map(({ type, outcome, detail }) => [type, outcome, detail]).reverse()).toEqual([
      ['client.registered', 'success', { name: 'Audited', redirects: ['app.example'], state: 'active' }],
      ['client.updated', 'denied', { error: 'invalid_request', description: expect.stringContaining('client_id') }],
      ['client.updated', 'success', { name: 'Audited again', redirects: ['app.example'] }],
      ['client.deleted', 'success', { grants: 0 }],
    ]);
    for (const secret of [client.secret, client.token, next.token]) expect(JSON.stringify(log)).not.toContain(secret);
  });
});
