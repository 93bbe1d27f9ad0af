import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ClientStore, createClientStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { type JsonAnswer, sendJson } from '../../src/index.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { basicAuthorization, registerResourceServer, type ServerCredentials } from './support/listening-guard.ts';
import { OWNER_ENV } from './support/owner.ts';

const SECRET = 'the secret of a machine, which is 43 characters long';
const OTHER_SECRET = 'another secret of a machine, not the one it had';

let database: TestDatabase;
/** What the machine asks, and what somebody changes something at. */
let asked: InProcess;
let other: InProcess;
let elsewhere: ClientStore;
/** The server of the resource that the machine's tokens are for. */
let desk: ServerCredentials;

let count = 0;
let clientId: string;
let key: { privateKey: CryptoKey; publicJwk: JWK };

beforeAll(async () => {
  database = await createTestDatabase();
  asked = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  other = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, issuer: asked.issuer });
  elsewhere = createClientStore(other.database);
  desk = await registerResourceServer(other.database, asked.mcpUrl);
});
afterAll(async () => {
  await asked?.close();
  await other?.close();
  await database?.drop();
});
beforeEach(async () => {
  count += 1;
  clientId = `machine-${count}`;
  key = await makeKey();
});

async function makeKey() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid: 'key', alg: 'ES256', use: 'sig' } };
}

const METADATA = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };

async function register(method: 'client_secret_basic' | 'private_key_jwt'): Promise<void> {
  await elsewhere.register({
    metadata: {
      ...METADATA,
      client_id: clientId,
      token_endpoint_auth_method: method,
      ...(method === 'private_key_jwt' && { jwks: { keys: [key.publicJwk] } }),
    },
    permissions: { firstParty: false, allowedResources: [asked.mcpUrl], allowedScopes: ['desk:read', 'desk:write'] },
    registration: 'manual',
    ...(method === 'client_secret_basic' && { secret: SECRET }),
    now: asked.now(),
  });
}

const request = (at: InProcess, more: Record<string, string>, headers: Record<string, string> = {}) =>
  sendJson(`http://127.0.0.1:${at.port}/token`, {
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: asked.mcpUrl, ...more }),
    headers: { host: new URL(asked.issuer).host, ...headers },
  });

const withSecret = (clientSecret = SECRET, at = asked) =>
  request(at, {}, basicAuthorization({ clientId, clientSecret }));

async function assertionOf(subject = clientId, privateKey = key.privateKey): Promise<string> {
  const now = Math.floor(asked.now().getTime() / 1000);
  return new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'key' })
    .setIssuer(subject)
    .setSubject(subject)
    .setAudience(asked.issuer)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(privateKey);
}

const showAssertion = (assertion: string, at = asked) =>
  request(at, {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });

const withKey = async (subject = clientId, privateKey = key.privateKey) =>
  showAssertion(await assertionOf(subject, privateKey));

const outcomeOf = ({ status, json }: JsonAnswer) => ({ status, said: json?.error ?? json?.scope });

describe('what changes at one replica holds for the next request at another, whatever that has read before', () => {
  const obtained = async (obtain: () => Promise<JsonAnswer>) => {
    for (let time = 0; time < 2; time++)
      expect(outcomeOf(await obtain())).toEqual({ status: 200, said: 'desk:read desk:write' });
  };

  test.each([
    ['client_secret_basic', () => withSecret()],
    ['private_key_jwt', () => withKey()],
  ] as const)('a client with %s that is disabled', async (method, obtain) => {
    await register(method);
    await obtained(obtain);
    await elsewhere.setDisabled({ id: clientId, disabled: true, now: asked.now() });
    expect(outcomeOf(await obtain())).toEqual({ status: 401, said: 'invalid_client' });
    await elsewhere.setDisabled({ id: clientId, disabled: false, now: asked.now() });
    expect((await obtain()).status).toBe(200);
    await elsewhere.delete({ id: clientId, now: asked.now() });
    expect(outcomeOf(await obtain())).toEqual({ status: 401, said: 'invalid_client' });
  });

  test('a client that is limited', async () => {
    await register('client_secret_basic');
    await obtained(withSecret);
    const permissions = { firstParty: false, allowedScopes: ['desk:read'], allowedResources: [asked.mcpUrl] };
    await elsewhere.update({ id: clientId, permissions, now: asked.now() });
    expect(outcomeOf(await withSecret())).toEqual({ status: 200, said: 'desk:read' });
    await elsewhere.update({ id: clientId, permissions: { ...permissions, allowedResources: [] }, now: asked.now() });
    expect(outcomeOf(await withSecret())).toEqual({ status: 400, said: 'invalid_target' });
  });

  test('a secret that was rotated', async () => {
    await register('client_secret_basic');
    await obtained(withSecret);
    await elsewhere.rotateSecret({ id: clientId, secret: OTHER_SECRET, overlapSeconds: 0, now: asked.now() });
    expect(outcomeOf(await withSecret())).toEqual({ status: 401, said: 'invalid_client' });
    expect((await withSecret(OTHER_SECRET)).status).toBe(200);
  });

  test('a key that was replaced', async () => {
    await register('private_key_jwt');
    await obtained(() => withKey());
    const next = await makeKey();
    await elsewhere.update({
      id: clientId,
      metadata: {
        ...METADATA,
        client_id: clientId,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [next.publicJwk] },
      },
      now: asked.now(),
    });
    expect(outcomeOf(await withKey())).toEqual({ status: 401, said: 'invalid_client' });
    expect((await withKey(clientId, next.privateKey)).status).toBe(200);
  });

  test('SP-39a: a client that has failed too often', async () => {
    await register('client_secret_basic');
    await obtained(withSecret);
    for (let time = 0; time < 20; time++) expect((await withSecret('a guess', other)).status).toBe(401);
    expect(outcomeOf(await withSecret())).toEqual({ status: 429, said: 'temporarily_unavailable' });
  });
});

describe('what introspection says at one replica follows what changes at another', () => {
  const introspect = async (token: unknown) => {
    const body = new URLSearchParams({ token: String(token) });
    const { json } = await sendJson(`${asked.issuer}/introspect`, { body, headers: basicAuthorization(desk) });
    return { active: json?.active, scope: json?.scope };
  };

  test('a client that is limited, and one that is disabled', async () => {
    await register('client_secret_basic');
    const { json } = await withSecret();
    const token = json?.access_token;
    expect(await introspect(token)).toEqual({ active: true, scope: 'desk:read desk:write' });
    // What it had is ended by a revocation too; the client's own limits are judged without one.
    const limits = JSON.stringify(['desk:read']);
    await other.database.prisma.client.update({ where: { id: clientId }, data: { allowedScopes: limits } });
    expect(await introspect(token)).toEqual({ active: true, scope: 'desk:read' });
    await other.database.prisma.client.update({ where: { id: clientId }, data: { disabledAt: other.now() } });
    expect(await introspect(token)).toEqual({ active: false });
    await other.database.prisma.client.update({ where: { id: clientId }, data: { disabledAt: null } });
    expect((await introspect(token)).active).toBe(true);
    await elsewhere.setDisabled({ id: clientId, disabled: true, now: asked.now() });
    await elsewhere.setDisabled({ id: clientId, disabled: false, now: asked.now() });
    expect(await introspect(token)).toEqual({ active: false });
  });

  test('the server of the resource whose secret was rotated', async () => {
    await register('client_secret_basic');
    const { json } = await withSecret();
    expect((await introspect(json?.access_token)).active).toBe(true);
    await elsewhere.rotateSecret({ id: desk.clientId, secret: OTHER_SECRET, overlapSeconds: 0, now: asked.now() });
    expect((await introspect(json?.access_token)).active).toBeUndefined();
    desk = { ...desk, clientSecret: OTHER_SECRET };
    expect((await introspect(json?.access_token)).active).toBe(true);
  });
});

test('AS-10: an assertion that is shown to both replicas at once, and again later, is worth one token', async () => {
  await register('private_key_jwt');
  const assertion = await assertionOf();
  const answers = await Promise.all([asked, other, asked, other].map((at) => showAssertion(assertion, at)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401]);
  expect(outcomeOf(await showAssertion(assertion))).toEqual({ status: 401, said: 'invalid_client' });
});

test('what one request names that no database can hold disturbs none of those beside it', async () => {
  await register('client_secret_basic');
  const strange = ['half \ud800 of a pair', 'nothing \0 at all', 'two \udc00\ud800'];
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      index % 4 === 0 ? withSecret() : withKey(strange[(index % 4) - 1] ?? ''),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map((_, index) => (index % 4 === 0 ? 200 : 401)));
});
