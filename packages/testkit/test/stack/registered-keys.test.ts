import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { DocumentOrigin } from '../../src/index.ts';
import {
  answerJson,
  answerStatus,
  createHttpPerson,
  register,
  requestToken,
  sendJson,
  startDocumentOrigin,
} from '../../src/index.ts';
import {
  codeExchange,
  obtainCode,
  registerClient,
  type Target,
  type TestClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { ageDocuments, networkTo } from './support/document-client.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const person = createHttpPerson();
let database: TestDatabase;
let origin: DocumentOrigin;
let server: InProcess;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  origin = await startDocumentOrigin(['keys.example', 'private.example', 'mixed.example']);
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, network: networkTo(origin) });
  target = await targetOf(server);
});

afterAll(async () => {
  await server?.close();
  await origin?.close();
  await database?.drop();
});

type Key = { privateKey: CryptoKey; jwk: Record<string, unknown> & { kid: string } };

async function newKey(kid: string = randomUUID()): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } };
}

/** What a client signs for one request. */
async function assertion(
  clientId: string,
  { privateKey, jwk }: Key,
  kid = jwk.kid,
  expiration: number | string = '1m',
): Promise<Record<string, string>> {
  const signed = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(server.issuer)
    .setIssuedAt()
    .setExpirationTime(expiration)
    .sign(privateKey);
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: signed,
  };
}

const newUri = (host = 'keys.example') => `https://${host}/${randomUUID()}.json`;
const fetchesOf = (url: string) => origin.requests.filter((requested) => requested === url).length;
const signing = (uri: unknown) => ({
  client_name: 'Signing app',
  redirect_uris: ['https://app.example/callback'],
  token_endpoint_auth_method: 'private_key_jwt',
  jwks_uri: uri,
});

/** A client whose keys stand at `uri`, with a refresh token that its first key got it. */
async function signedInClient(uri: string, key: Key): Promise<{ client: TestClient; refreshToken: string }> {
  origin.set(uri, answerJson({ keys: [key.jwk] }));
  const client = await registerClient(target, signing(uri));
  const code = await obtainCode(target, client, { person });
  const exchange = { ...codeExchange(target, client, code), ...(await assertion(client.id, key)) };
  const { refresh: refreshToken } = tokensOf(await requestToken(target.server, exchange));
  return { client, refreshToken };
}

async function refresh({ id }: TestClient, refreshToken: string, signed: Record<string, string>) {
  const body = { grant_type: 'refresh_token', client_id: id, refresh_token: refreshToken, ...signed };
  return requestToken(target.server, body);
}

const REFUSED = { status: 401, json: { error: 'invalid_client' } };

describe('a client that registers with a jwks_uri (RFC 7591 section 2)', () => {
  test('its keys are fetched when it first signs, and not again for each request', async () => {
    const uri = newUri();
    const key = await newKey();
    const before = origin.connections();
    const client = await registerClient(target, signing(uri));
    const code = await obtainCode(target, client, { person });
    const exchange = codeExchange(target, client, code);
    expect(await requestToken(target.server, exchange)).toMatchObject(REFUSED);
    expect(origin.connections()).toBe(before);

    origin.set(uri, answerJson({ keys: [key.jwk] }));
    const forged = await assertion(client.id, await newKey(key.jwk.kid));
    expect(await requestToken(target.server, { ...exchange, ...forged })).toMatchObject(REFUSED);
    const signed = { ...exchange, ...(await assertion(client.id, key)) };
    let { refresh: refreshToken } = tokensOf(await requestToken(target.server, signed));
    for (const _round of [1, 2, 3])
      ({ refresh: refreshToken } = tokensOf(await refresh(client, refreshToken, await assertion(client.id, key))));
    expect(fetchesOf(uri)).toBe(1);
  });

  test('an assertion that would live for longer than a day, or for ever in milliseconds, is refused (AS-10)', async () => {
    const key = await newKey();
    const { client, refreshToken } = await signedInClient(newUri(), key);
    for (const expiration of ['25h', Date.now() + 60_000]) {
      const signed = await assertion(client.id, key, key.jwk.kid, expiration);
      expect(await refresh(client, refreshToken, signed)).toMatchObject(REFUSED);
    }
    const signed = await assertion(client.id, key, key.jwk.kid, '23h');
    expect((await refresh(client, refreshToken, signed)).status).toBe(200);
  });

  test('a key that is not known yet makes them be fetched again, but not more often than every 30 seconds', async () => {
    const uri = newUri();
    const [first, second] = [await newKey(), await newKey()];
    const { client, refreshToken } = await signedInClient(uri, first);
    origin.set(uri, answerJson({ keys: [second.jwk] }, { 'cache-control': 'max-age=600' }));
    expect(await refresh(client, refreshToken, await assertion(client.id, second))).toMatchObject(REFUSED);
    expect(fetchesOf(uri)).toBe(1);

    await ageDocuments(server.database, 30);
    const { refresh: next } = tokensOf(await refresh(client, refreshToken, await assertion(client.id, second)));
    expect(fetchesOf(uri)).toBe(2);
    // The one that was withdrawn is known no more.
    expect(await refresh(client, next, await assertion(client.id, first))).toMatchObject(REFUSED);

    // Key ids that nobody has, many at once: one fetch at most, and only after a while.
    const guesses = async () => {
      const signed = await Promise.all(
        Array.from({ length: 8 }, async (_, i) => assertion(client.id, second, `none ${i}`)),
      );
      return Promise.all(signed.map((one) => refresh(client, next, one)));
    };
    for (const answer of await guesses()) expect(answer).toMatchObject(REFUSED);
    expect(fetchesOf(uri)).toBe(2);
    await ageDocuments(server.database, 30);
    for (const answer of await guesses()) expect(answer).toMatchObject(REFUSED);
    expect(fetchesOf(uri)).toBe(3);
  });

  test('a withdrawn key opens nothing any more, nor does any when the set is gone', async () => {
    const uri = newUri();
    const key = await newKey();
    const { client, refreshToken } = await signedInClient(uri, key);
    origin.set(uri, answerJson({ keys: [] }));
    await ageDocuments(server.database, 600);
    expect(await refresh(client, refreshToken, await assertion(client.id, key))).toMatchObject(REFUSED);

    origin.set(uri, answerJson({ keys: [key.jwk] }));
    await ageDocuments(server.database, 600);
    const { refresh: next } = tokensOf(await refresh(client, refreshToken, await assertion(client.id, key)));
    origin.set(uri, answerStatus(404));
    await ageDocuments(server.database, 600);
    expect(await refresh(client, next, await assertion(client.id, key))).toMatchObject(REFUSED);
  });

  test('while they cannot be fetched the client is asked to come back, and a copy serves for a day', async () => {
    const uri = newUri();
    const key = await newKey();
    const { client, refreshToken } = await signedInClient(uri, key);
    origin.set(uri, answerStatus(503));
    await ageDocuments(server.database, 600);
    const { refresh: next } = tokensOf(await refresh(client, refreshToken, await assertion(client.id, key)));
    await ageDocuments(server.database, 24 * 3600);
    const answer = await refresh(client, next, await assertion(client.id, key));
    expect(answer).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } });
  });

  test('an update to another jwks_uri ends the keys of the one before (RFC 7592)', async () => {
    const [uri, nextUri] = [newUri(), newUri()];
    const [first, second] = [await newKey(), await newKey()];
    for (const [at, key] of [
      [uri, first],
      [nextUri, second],
    ] as const)
      origin.set(at, answerJson({ keys: [key.jwk] }));
    const registered = await register(target.server, signing(uri));
    const { client_id: id, registration_client_uri: home, registration_access_token: token } = registered.json ?? {};
    const client = { id: String(id), secret: undefined, redirectUri: 'https://app.example/callback' };
    const code = await obtainCode(target, client, { person });
    const exchange = { ...codeExchange(target, client, code), ...(await assertion(client.id, first)) };
    const { refresh: refreshToken } = tokensOf(await requestToken(target.server, exchange));

    const updated = await sendJson(String(home), {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...signing(nextUri), client_id: id }),
    });
    expect(updated).toMatchObject({ status: 200, json: { jwks_uri: nextUri } });
    expect(await refresh(client, refreshToken, await assertion(client.id, first))).toMatchObject(REFUSED);
    expect((await refresh(client, refreshToken, await assertion(client.id, second))).status).toBe(200);
  });

  test.each([
    ['plain http', 'http://keys.example/k'],
    ['an address', 'https://169.254.169.254/latest'],
    ['another port', 'https://keys.example:8443/k'],
    ['no URL', 'keys'],
  ])('AS-30: is not registered with %s, and told which member is wrong', async (_what, uri) => {
    const answer = await register(target.server, signing(uri));
    expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_client_metadata' } });
    expect(answer.json?.error_description).toContain('jwks_uri');
  });

  test.each([
    ['private.example', ['10.0.0.1']],
    ['mixed.example', ['93.184.215.14', '127.0.0.1']],
  ])('AS-30: nothing is fetched from %s, which has the addresses %j', async (host, addresses) => {
    const other = await startInProcess({
      databaseUrl: database.url,
      issuer: server.issuer,
      network: {
        port: origin.port,
        ca: origin.ca,
        lookup: async () => addresses.map((address) => ({ address, family: 4 })),
      },
    });
    try {
      const before = origin.connections();
      const client = await registerClient(target, signing(newUri(host)));
      const code = await obtainCode(target, client, { person });
      const exchange = { ...codeExchange(target, client, code), ...(await assertion(client.id, await newKey())) };
      const elsewhere = Object.assign(new URL(target.server.token_endpoint), { port: other.port });
      const answer = await requestToken({ ...target.server, token_endpoint: elsewhere.href }, exchange, {
        headers: { host: new URL(server.issuer).host },
      });
      expect(answer).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } });
      expect(origin.connections()).toBe(before);
    } finally {
      await other.close();
    }
  });

  test('AS-30: a redirect is not followed', async () => {
    const [uri, elsewhere] = [newUri(), newUri()];
    const key = await newKey();
    origin.set(uri, answerStatus(302, { location: elsewhere }));
    origin.set(elsewhere, answerJson({ keys: [key.jwk] }));
    const client = await registerClient(target, signing(uri));
    const code = await obtainCode(target, client, { person });
    const exchange = { ...codeExchange(target, client, code), ...(await assertion(client.id, key)) };
    expect(await requestToken(target.server, exchange)).toMatchObject(REFUSED);
    expect([fetchesOf(uri), fetchesOf(elsewhere)]).toEqual([1, 0]);
  });
});
