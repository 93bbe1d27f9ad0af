import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAuditLog } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { DocumentOrigin, HttpPerson, OriginAnswer, Step } from '../../src/index.ts';
import {
  answerJson,
  answerStatus,
  asks,
  createHttpPerson,
  plainText,
  requestToken,
  sendRaw,
  startDocumentOrigin,
} from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import type { Code, Target } from './support/authorization.ts';
import { authorizationRequest, codeExchange, redeem, targetOf, tokensOf } from './support/authorization.ts';
import { ageDocuments, documentOf, networkTo, publish, storedDocument } from './support/document-client.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

const HOSTS = ['client.example', 'keys.example', 'chatgpt.com', 'github.com', 'ask.example', 'deny.example'];
const LOOPBACK = 'http://127.0.0.1:50123/callback';
const WEB = 'https://app.example/callback';
const WEEK_SECONDS = 7 * 24 * 3600;

let testDatabase: TestDatabase;
let origin: DocumentOrigin;
let server: InProcess;
let target: Target;
/** Signed in by the first page that asks for it. */
let person: HttpPerson;
let nth = 0;

const PINNED = 'https://pinned.example/client.json';
const configuration = {
  clientMetadataDocuments: {
    pinned: { [PINNED]: documentOf(PINNED, { client_name: 'Pinned helper' }) },
    trust: { ask: ['ask.example'], deny: ['deny.example'] },
  },
};

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  origin = await startDocumentOrigin(HOSTS);
  server = await startInProcess({
    databaseUrl: testDatabase.url,
    env: OWNER_ENV,
    configuration,
    network: networkTo(origin),
  });
  target = await targetOf(server);
});

afterAll(async () => {
  await server?.close();
  await origin?.close();
  await testDatabase?.drop();
});

beforeEach(() => {
  // From an address of its own, so that no test uses up another one's fetches.
  person = createHttpPerson({ fromAddress: `127.0.0.${10 + (nth++ % 200)}` });
});

const newClientId = (host = 'client.example') => `https://${host}/${randomUUID()}.json`;

type Asking = { redirectUri?: string; params?: Record<string, string | undefined> };

/** Opens an authorization, and signs in where asked. */
async function open(clientId: string, { redirectUri = LOOPBACK, params = {} }: Asking = {}) {
  const client = { id: clientId, secret: undefined, redirectUri };
  const request = authorizationRequest(target, client, params);
  let step = await person.open(request.url);
  if (asks(step, 'login')) step = await person.submit(step, { ...OWNER, action: 'login' });
  return { ...request, client, step };
}

/** Opens an authorization and agrees to it; where it was agreed to before there is no page. */
async function obtainCode(clientId: string, asking: Asking = {}): Promise<Code & { client: { id: string } }> {
  const { step, verifier, client } = await open(clientId, asking);
  const end = asks(step, 'approve') ? await person.submit(step, { action: 'approve' }) : step;
  const code = end.url.searchParams.get('code');
  if (code === null) throw new Error(`no code: ${wordsOf(end)}`);
  return { code, verifier, client };
}

function wordsOf({ answer, url }: Step): string {
  return `${url.href} ${plainText(answer.text)}`;
}

function fetchesOf(url: string): number {
  return origin.requests.filter((requested) => requested === url).length;
}

async function refresh(clientId: string, refreshToken: string, extra: Record<string, string> = {}) {
  return requestToken(target.server, {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken,
    ...extra,
  });
}

describe('a client that names itself by a URL (AS-22)', () => {
  test('AS-22, AS-23: is let in, and the metadata says so', async () => {
    expect((await sendRaw(`${server.issuer}/.well-known/oauth-authorization-server`)).text).toContain(
      '"client_id_metadata_document_supported":true',
    );
    const clientId = newClientId();
    publish(origin, clientId);
    const { step } = await open(clientId);
    for (const words of ['Ticket helper', 'client.example', 'this computer ( 127.0.0.1 )'])
      expect(wordsOf(step)).toContain(words);
    expect(wordsOf(step)).not.toContain('unverified');

    const code = await obtainCode(clientId);
    const client = { id: clientId, secret: undefined, redirectUri: LOOPBACK };
    const { refresh: refreshToken } = tokensOf(await redeem(target, client, { code }));
    expect((await refresh(clientId, refreshToken)).status).toBe(200);
    // All of that within the minute for which the document is fresh.
    expect(fetchesOf(clientId)).toBe(1);
  });

  test('AS-26: only redirect URIs of the document, on any port of loopback', async () => {
    const clientId = newClientId();
    publish(origin, clientId, { redirect_uris: ['http://127.0.0.1/callback', WEB] });
    for (const redirectUri of ['http://127.0.0.1:1/other', 'https://app.example/other', 'http://localhost:1/callback'])
      expect(wordsOf((await open(clientId, { redirectUri })).step)).toContain('unknown address');
    for (const redirectUri of ['http://127.0.0.1:1/callback', 'http://127.0.0.1:2/callback', WEB])
      expect(asks((await open(clientId, { redirectUri })).step, 'approve')).toBe(true);
  });

  test.each([
    ['no path', 'https://client.example/'],
    ['no path at all', 'https://client.example'],
    ['a fragment', 'https://client.example/c#f'],
    ['a user name', 'https://user@client.example/c'],
    ['a dot segment', 'https://client.example/a/../c'],
    ['an encoded dot segment', 'https://client.example/a/%2e%2e/c'],
    ['another case', 'HTTPS://client.example/c'],
    ['its port spelt out', 'https://client.example:443/c'],
    ['a dot behind its host', 'https://client.example./c'],
  ])('AS-28: is refused with %s, without a fetch', async (_what, clientId) => {
    const before = origin.connections();
    const { step } = await open(clientId);
    expect(step.answer.status).toBe(400);
    expect(wordsOf(step)).toContain('names itself in a way that cannot be used');
    expect(origin.connections()).toBe(before);
  });

  test('a port that is not configured is not fetched from', async () => {
    const before = origin.connections();
    expect(wordsOf((await open('https://client.example:8443/c')).step)).toContain('cannot be checked');
    expect(origin.connections()).toBe(before);
  });

  test('AS-34: hosts that are denied, and hosts that an administrator is asked about', async () => {
    const denied = newClientId('deny.example');
    publish(origin, denied);
    expect(wordsOf((await open(denied)).step)).toContain('not allowed here');
    expect(fetchesOf(denied)).toBe(0);

    const asking = newClientId('ask.example');
    publish(origin, asking);
    expect(wordsOf((await open(asking)).step)).toContain('administrator has to approve');
    const { access: token } = await adminTokens(target, { scope: 'admin:clients' });
    const waiting = await callAdmin(server.issuer, { token, path: '/clients?state=pending' });
    expect(waiting.json?.items).toMatchObject([
      {
        id: asking,
        registration: 'document',
        state: 'pending',
        name: 'Ticket helper',
        redirectUris: [expect.any(String)],
      },
    ]);
    const path = `/clients/${encodeURIComponent(asking)}`;
    const decide = async (decision: string, body?: unknown) => {
      const { json } = await callAdmin(server.issuer, { token, path });
      const { version } = Object(json?.client);
      const seen = { token, method: 'POST', path: `${path}/${decision}`, body: body ?? { version } };
      return (await callAdmin(server.issuer, seen)).status;
    };
    // Not for a document that is not the one that was looked at.
    expect([await decide('approve', {}), await decide('approve', { version: 'another' })]).toEqual([400, 409]);
    expect([await decide('approve'), await decide('approve')]).toEqual([200, 409]);
    expect((await callAdmin(server.issuer, { token, path })).json).toMatchObject({ client: { state: 'active' } });
    expect(asks((await open(asking)).step, 'approve')).toBe(true);
    expect(await decide('reject')).toBe(200);
    expect(wordsOf((await open(asking)).step)).toContain('not allowed here');
    const unasked = encodeURIComponent(newClientId('ask.example'));
    const answer = await callAdmin(server.issuer, {
      token,
      method: 'POST',
      path: `/clients/${unasked}/approve`,
      body: { version: 'unknown' },
    });
    expect(answer.status).toBe(404);
    const recorded = await createAuditLog(server.database).list({ client: asking });
    expect(recorded.map(({ type }) => type)).toEqual(expect.arrayContaining(['client.approved', 'client.rejected']));
  });

  test('a pinned document is used instead of fetching one', async () => {
    const before = origin.connections();
    expect(wordsOf((await open(PINNED)).step)).toContain('Pinned helper');
    const code = await obtainCode(PINNED);
    const client = { id: PINNED, secret: undefined, redirectUri: LOOPBACK };
    expect((await redeem(target, client, { code })).status).toBe(200);
    expect(origin.connections()).toBe(before);
  });
});

/** What an origin may answer, and what that means with a copy that was fetched a minute ago and without one. */
const FAILURES: [string, (clientId: string) => OriginAnswer, 'unreachable' | 'withdrawn', RegExp][] = [
  ['origin down', () => (request) => void request.socket.destroy(), 'unreachable', /cannot be reached/],
  ['403', () => answerStatus(403), 'unreachable', /the answer was 403/],
  ['404', () => answerStatus(404), 'withdrawn', /the answer was 404/],
  ['410', () => answerStatus(410), 'withdrawn', /the answer was 410/],
  ['429', () => answerStatus(429), 'unreachable', /the answer was 429/],
  ['500', () => answerStatus(500), 'unreachable', /the answer was 500/],
  ['slow', () => () => {}, 'unreachable', /took too long/],
  ['6 KB', (id) => answerJson(documentOf(id, { padding: 'x'.repeat(6 * 1024) })), 'withdrawn', /larger than 5 KB/],
  ['wrong client_id', () => answerJson(documentOf('https://client.example/other')), 'withdrawn', /client_id is not/],
  ['no client_name', (id) => answerJson(documentOf(id, { client_name: undefined })), 'withdrawn', /no client_name/],
  ['no redirect_uris', (id) => answerJson(documentOf(id, { redirect_uris: [] })), 'withdrawn', /redirect_uris/],
  ['a secret', (id) => answerJson(documentOf(id, { client_secret: 's' })), 'withdrawn', /client_secret/],
  [
    'a shared secret',
    (id) => answerJson(documentOf(id, { token_endpoint_auth_method: 'client_secret_basic' })),
    'withdrawn',
    /shared secret/,
  ],
  ['not JSON', () => answerJson('<html></html>'), 'withdrawn', /no JSON object/],
  [
    'not served as JSON',
    (id) => answerJson(documentOf(id), { 'content-type': 'text/html' }),
    'withdrawn',
    /not served as JSON/,
  ],
  [
    'redirect',
    () => answerStatus(302, { location: 'https://client.example/elsewhere' }),
    'withdrawn',
    /the answer was 302/,
  ],
];

describe('when the document cannot be had (AS-27, AS-29)', () => {
  test.each(FAILURES)(
    '%s, without a copy: a page that says why, and no client',
    async (_what, answer, kind, reason) => {
      const clientId = newClientId();
      origin.set(clientId, answer(clientId));
      for (const _again of ['first', 'second']) {
        const { step } = await open(clientId);
        expect(step).toMatchObject({ kind: 'page', answer: { status: kind === 'unreachable' ? 503 : 400 } });
        expect(wordsOf(step)).toMatch(reason);
        expect(wordsOf(step)).toContain(kind === 'unreachable' ? 'cannot be checked' : 'can no longer be used');
      }
      const stored = await storedDocument(server.database, clientId);
      expect(stored).toEqual({ body: undefined, failure: expect.stringMatching(reason) });
      expect(fetchesOf(clientId)).toBe(1);

      // What fails is not kept: once the document is right, it is fetched as soon as that may be tried again.
      publish(origin, clientId);
      await ageDocuments(server.database, 30);
      expect(asks((await open(clientId)).step, 'approve')).toBe(true);
    },
  );

  test.each(FAILURES)(
    '%s, with a copy: that serves for a week where the origin cannot be asked, and else not at all',
    async (_what, answer, kind, reason) => {
      const clientId = newClientId();
      publish(origin, clientId);
      const code = await obtainCode(clientId);
      const client = { id: clientId, secret: undefined, redirectUri: LOOPBACK };
      const { refresh: refreshToken } = tokensOf(await redeem(target, client, { code }));
      origin.set(clientId, answer(clientId));
      await ageDocuments(server.database, 60);

      const { step } = await open(clientId);
      const stored = await storedDocument(server.database, clientId);
      if (kind === 'unreachable') {
        expect(asks(step, 'approve')).toBe(true);
        expect(stored).toEqual({
          body: expect.stringContaining('Ticket helper'),
          failure: expect.stringMatching(reason),
        });
        const { refresh: next } = tokensOf(await refresh(clientId, refreshToken));
        expect(fetchesOf(clientId)).toBe(2);

        await ageDocuments(server.database, WEEK_SECONDS);
        expect((await open(clientId)).step.answer.status).toBe(503);
        expect(await refresh(clientId, next)).toMatchObject({
          status: 503,
          json: { error: 'temporarily_unavailable' },
        });
        return;
      }
      expect(step.answer.status).toBe(400);
      expect(wordsOf(step)).toMatch(reason);
      expect(stored).toEqual({ body: undefined, failure: expect.stringMatching(reason) });
      expect(await refresh(clientId, refreshToken)).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
      expect(fetchesOf(clientId)).toBe(2);
    },
  );

  test('no client that names itself so is ever called back with an error before it is known', async () => {
    const clientId = newClientId();
    origin.set(clientId, answerStatus(500));
    for (const params of [{ prompt: 'none' }, { response_type: 'token' }, { scope: '"' }])
      expect((await open(clientId, { params })).step.kind).toBe('page');
  });

  test.each([
    ['https://chatgpt.com/oauth/client.json', 'https://chatgpt.com/connector_platform_oauth_redirect', 'ChatGPT'],
    ['https://github.com/copilot/cli/client-metadata.json', 'http://127.0.0.1:50123/', 'GitHub Copilot CLI'],
    ['https://chatgpt.com/oauth/q1W2e3/client.json', 'https://chatgpt.com/connector/oauth/q1W2e3', 'ChatGPT'],
  ])('%s is let in while its origin answers 403, and not when it says 404', async (clientId, redirectUri, name) => {
    origin.set(clientId, answerStatus(403));
    const { step } = await open(clientId, { redirectUri });
    expect(asks(step, 'approve')).toBe(true);
    for (const words of [name, new URL(clientId).host]) expect(wordsOf(step)).toContain(words);
    const code = await obtainCode(clientId, { redirectUri });
    const client = { id: clientId, secret: undefined, redirectUri };
    const { refresh: refreshToken } = tokensOf(await redeem(target, client, { code }));
    expect((await refresh(clientId, refreshToken)).status).toBe(200);
    expect(fetchesOf(clientId)).toBe(1);

    origin.set(clientId, answerStatus(404));
    await ageDocuments(server.database, 60);
    expect((await open(clientId, { redirectUri })).step.answer.status).toBe(400);
  });

  test('many requests for a failing document, over two replicas, cause at most 3 fetches in 60 seconds', async () => {
    const clientId = newClientId();
    origin.set(clientId, answerStatus(500));
    const other = await startInProcess({
      databaseUrl: testDatabase.url,
      issuer: server.issuer,
      network: networkTo(origin),
    });
    try {
      const { url } = authorizationRequest(target, { id: clientId, secret: undefined, redirectUri: LOOPBACK });
      const steps = 20;
      const size = Math.ceil(rounds(1000) / steps);
      for (let step = 0; step < steps; step += 1) {
        const at = (port: number) => Object.assign(new URL(url), { port });
        const answers = await Promise.all(
          Array.from({ length: size }, (_, index) =>
            sendRaw(at(index % 2 === 0 ? server.port : other.port), { headers: { host: url.host } }),
          ),
        );
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
        await ageDocuments(server.database, 3);
      }
      expect(fetchesOf(clientId)).toBeGreaterThan(1);
      expect(fetchesOf(clientId)).toBeLessThanOrEqual(3);
    } finally {
      await other.close();
    }
  });

  test('many who wait for a document at once wait for one fetch, over two replicas', async () => {
    const clientId = newClientId();
    origin.set(clientId, (request, response) => {
      setTimeout(() => answerJson(documentOf(clientId))(request, response), 300);
    });
    const other = await startInProcess({
      databaseUrl: testDatabase.url,
      issuer: server.issuer,
      network: networkTo(origin),
    });
    try {
      const { url } = authorizationRequest(target, { id: clientId, secret: undefined, redirectUri: LOOPBACK });
      const at = (port: number) => Object.assign(new URL(url), { port });
      const answers = await Promise.all(
        [server, other, server, other].flatMap(({ port }) =>
          Array.from({ length: 5 }, () => sendRaw(at(port), { headers: { host: url.host } })),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 303));
      expect(fetchesOf(clientId)).toBe(1);
    } finally {
      await other.close();
    }
  });

  test('one network cannot make this server fetch without end, and another still can', async () => {
    const spent = '127.0.0.250';
    const openFrom = (fromAddress: string) => {
      const clientId = newClientId();
      publish(origin, clientId);
      const { url } = authorizationRequest(target, { id: clientId, secret: undefined, redirectUri: LOOPBACK });
      return sendRaw(url, { fromAddress });
    };
    const statuses: number[] = [];
    for (let index = 0; index < 65; index += 1) statuses.push((await openFrom(spent)).status);
    expect(statuses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 303));
    expect(statuses.slice(60)).toEqual([503, 503, 503, 503, 503]);
    expect((await openFrom('127.0.0.251')).status).toBe(303);

    // A document of ours stands in for one that cannot be had, not for one that was not asked for.
    const openConnector = async (id: string) => {
      const client = { id: `https://chatgpt.com/oauth/${id}/client.json`, secret: undefined };
      const redirectUri = 'https://chatgpt.com/connector_platform_oauth_redirect';
      return sendRaw(authorizationRequest(target, { ...client, redirectUri }).url, { fromAddress: spent });
    };
    const [asked, unasked] = [
      'https://chatgpt.com/oauth/asked/client.json',
      'https://chatgpt.com/oauth/not/client.json',
    ];
    origin.set(asked, answerStatus(403));
    expect((await openConnector('not')).status).toBe(503);
    expect(fetchesOf(unasked)).toBe(0);
    // Where the last answer was that it cannot be had, it does, also when that cannot be asked again now.
    const elsewhere = createHttpPerson({ fromAddress: '127.0.0.251' });
    const redirectUri = 'https://chatgpt.com/connector_platform_oauth_redirect';
    await elsewhere.open(authorizationRequest(target, { id: asked, secret: undefined, redirectUri }).url);
    await ageDocuments(server.database, 30);
    expect((await openConnector('asked')).status).toBe(303);
    expect(fetchesOf(asked)).toBe(1);
  });
});

describe('a document that changes (AS-35)', () => {
  const webClient = (clientId: string) => ({ id: clientId, secret: undefined, redirectUri: WEB });

  test('between the request and the decision: what is decided on is what was asked', async () => {
    const clientId = newClientId();
    publish(origin, clientId, { redirect_uris: [WEB] });
    const { step, verifier } = await open(clientId, { redirectUri: WEB });
    publish(origin, clientId, { client_name: 'Somebody else', redirect_uris: ['https://evil.example/callback'] });
    await ageDocuments(server.database, 60);
    const again = await person.open(step.url);
    expect(wordsOf(again)).toContain('Ticket helper');
    expect(wordsOf(again)).not.toContain('Somebody else');
    const end = await person.submit(again, { action: 'approve' });
    expect(end.url.href).toMatch(/^https:\/\/app\.example\/callback\?code=/);
    const code = { code: end.url.searchParams.get('code') ?? '', verifier };
    expect((await redeem(target, webClient(clientId), { code })).status).toBe(200);
  });

  test('between authorize and token: what was consented to is what the token endpoint uses', async () => {
    const clientId = newClientId();
    publish(origin, clientId, { redirect_uris: [WEB] });
    const code = await obtainCode(clientId, { redirectUri: WEB });
    const stranger = await exportJWK((await generateKeyPair('ES256')).publicKey);
    publish(origin, clientId, {
      redirect_uris: ['https://evil.example/callback'],
      grant_types: ['authorization_code'],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [stranger] },
    });
    await ageDocuments(server.database, 60);
    const { refresh: refreshToken } = tokensOf(await redeem(target, webClient(clientId), { code }));
    expect((await refresh(clientId, refreshToken)).status).toBe(200);
    expect(fetchesOf(clientId)).toBe(2);
    // Whoever begins now is asked about the document of today.
    expect(wordsOf((await open(clientId, { redirectUri: WEB })).step)).toContain('unknown address');
  });

  test('withdrawn between the request and the end: the sign-in ends with a page of ours', async () => {
    const clientId = newClientId();
    publish(origin, clientId, { redirect_uris: [WEB] });
    const { step } = await open(clientId, { redirectUri: WEB });
    origin.set(clientId, answerStatus(410));
    await ageDocuments(server.database, 60);
    const end = await person.submit(step, { action: 'approve' });
    expect(end).toMatchObject({ kind: 'page', answer: { status: 400 } });
    expect(wordsOf(end)).toContain('can no longer be used');
  });

  test('SP-16: consent is asked again when redirect URIs, keys or the way to authenticate change, not for a new name', async () => {
    const clientId = newClientId();
    const asked = async () => asks((await open(clientId, { redirectUri: WEB })).step, 'approve');
    const change = async (changes: Record<string, unknown>) => {
      publish(origin, clientId, { redirect_uris: [WEB], ...changes });
      await ageDocuments(server.database, 60);
    };
    const key = async () => exportJWK((await generateKeyPair('ES256')).publicKey);
    await change({});
    await obtainCode(clientId, { redirectUri: WEB });
    expect(await asked()).toBe(false);
    const again = { redirectUri: WEB, params: { prompt: 'consent' } };
    expect(wordsOf((await open(clientId, again)).step)).toContain('allowed this before');
    await change({ client_name: 'A new name' });
    expect(await asked()).toBe(false);
    await change({ redirect_uris: [WEB, 'https://app.example/second'] });
    expect(await asked()).toBe(true);
    expect(wordsOf((await open(clientId, again)).step)).not.toContain('allowed this before');
    await change({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [await key()] } });
    expect(await asked()).toBe(true);
    await obtainCode(clientId, { redirectUri: WEB });
    expect(await asked()).toBe(false);
    await change({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [await key()] } });
    expect(await asked()).toBe(true);
    await change({});
    expect(await asked()).toBe(false);
  });

  test('a client cannot say which version of its document counts', async () => {
    const clientId = newClientId();
    publish(origin, clientId, { redirect_uris: [WEB] });
    await obtainCode(clientId, { redirectUri: WEB });
    const old = await server.database.prisma.clientDocumentVersion.findFirst({ where: { clientId } });
    publish(origin, clientId, { redirect_uris: [WEB], client_name: 'A new name' });
    await ageDocuments(server.database, 60);
    const params = { client_document: old?.id, prompt: 'consent' };
    expect(wordsOf((await open(clientId, { redirectUri: WEB, params })).step)).toContain('A new name');
  });
});

describe('a client with a key (AS-35, private_key_jwt)', () => {
  const keysUrl = 'https://keys.example/jwks.json';
  const client = (clientId: string) => ({ id: clientId, secret: undefined, redirectUri: WEB });

  async function newKey(kid: string) {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } };
  }

  async function assertion(clientId: string, { privateKey, jwk }: Awaited<ReturnType<typeof newKey>>) {
    const signed = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'RS256', kid: jwk.kid })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(server.issuer)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey);
    return {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: signed,
    };
  }

  /** The shape of ChatGPT's document: a preferred method, and a choice of two. */
  const withChoices = {
    redirect_uris: [WEB],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
    token_endpoint_auth_signing_alg: 'RS256',
    jwks_uri: keysUrl,
  };

  test('signs in with keys behind a jwks_uri, which are fetched once for many requests', async () => {
    const clientId = newClientId();
    const key = await newKey('first');
    publish(origin, clientId, withChoices);
    origin.set(keysUrl, answerJson({ keys: [key.jwk] }));
    const code = await obtainCode(clientId, { redirectUri: WEB });
    const exchange = codeExchange(target, client(clientId), code);

    const unsigned = await requestToken(target.server, exchange);
    expect(unsigned).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
    const forged = await requestToken(target.server, {
      ...exchange,
      ...(await assertion(clientId, await newKey('first'))),
    });
    expect(forged).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
    const answer = await requestToken(target.server, { ...exchange, ...(await assertion(clientId, key)) });
    let { refresh: refreshToken } = tokensOf(answer);
    for (const _round of [1, 2, 3])
      ({ refresh: refreshToken } = tokensOf(await refresh(clientId, refreshToken, await assertion(clientId, key))));
    expect(fetchesOf(keysUrl)).toBe(1);
  });

  test('withdrawn key behind a jwks_uri: it opens nothing any more, and its successor does', async () => {
    const clientId = newClientId();
    const [first, second] = [await newKey('first'), await newKey('second')];
    publish(origin, clientId, withChoices);
    await ageDocuments(server.database, 600);
    origin.set(keysUrl, answerJson({ keys: [first.jwk] }));
    const code = await obtainCode(clientId, { redirectUri: WEB });
    const exchange = codeExchange(target, client(clientId), code);
    const answer = await requestToken(target.server, { ...exchange, ...(await assertion(clientId, first)) });
    const { refresh: refreshToken } = tokensOf(answer);

    origin.set(keysUrl, answerJson({ keys: [second.jwk] }));
    await ageDocuments(server.database, 600);
    expect(await refresh(clientId, refreshToken, await assertion(clientId, first))).toMatchObject({ status: 401 });
    expect(await refresh(clientId, refreshToken, await assertion(clientId, second))).toMatchObject({ status: 200 });
  });

  test('withdrawn key in the document: it opens nothing any more, and a new one nothing that was agreed to before', async () => {
    const clientId = newClientId();
    const [first, second] = [await newKey('first'), await newKey('second')];
    const method = { redirect_uris: [WEB], token_endpoint_auth_method: 'private_key_jwt' };
    publish(origin, clientId, { ...method, jwks: { keys: [first.jwk] } });
    const code = await obtainCode(clientId, { redirectUri: WEB });
    const exchange = codeExchange(target, client(clientId), code);
    const answer = await requestToken(target.server, { ...exchange, ...(await assertion(clientId, first)) });
    const { refresh: refreshToken } = tokensOf(answer);

    publish(origin, clientId, { ...method, jwks: { keys: [second.jwk] } });
    await ageDocuments(server.database, 60);
    for (const key of [first, second])
      expect(await refresh(clientId, refreshToken, await assertion(clientId, key))).toMatchObject({ status: 401 });
    // It takes another consent, which shows it again and is given on the new key.
    const next = await obtainCode(clientId, { redirectUri: WEB });
    const again = { ...codeExchange(target, client(clientId), next), ...(await assertion(clientId, second)) };
    expect((await requestToken(target.server, again)).status).toBe(200);
  });

  test('keys that cannot be fetched: the client is asked to come back, and a copy serves for a day', async () => {
    const clientId = newClientId();
    const key = await newKey('first');
    const uri = 'https://keys.example/away.json';
    publish(origin, clientId, { ...withChoices, jwks_uri: uri });
    origin.set(uri, answerStatus(503));
    const code = await obtainCode(clientId, { redirectUri: WEB });
    const exchange = codeExchange(target, client(clientId), code);
    const early = await requestToken(target.server, { ...exchange, ...(await assertion(clientId, key)) });
    expect(early).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } });

    origin.set(uri, answerJson({ keys: [key.jwk] }));
    await ageDocuments(server.database, 30);
    const { refresh: refreshToken } = tokensOf(
      await requestToken(target.server, { ...exchange, ...(await assertion(clientId, key)) }),
    );
    origin.set(uri, answerStatus(503));
    await ageDocuments(server.database, 3600);
    const { refresh: next } = tokensOf(await refresh(clientId, refreshToken, await assertion(clientId, key)));
    await ageDocuments(server.database, 24 * 3600);
    expect(await refresh(clientId, next, await assertion(clientId, key))).toMatchObject({ status: 503 });
  });

  test.each([
    ['a private key in its document', { jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' }] } }],
    ['a symmetric key', { jwks: { keys: [{ kty: 'oct', k: 'k' }] } }],
    ['no key at all', {}],
    ['keys behind plain http', { jwks_uri: 'http://keys.example/jwks.json' }],
  ])('is refused with %s', async (_what, keys) => {
    const clientId = newClientId();
    publish(origin, clientId, { redirect_uris: [WEB], token_endpoint_auth_method: 'private_key_jwt', ...keys });
    expect((await open(clientId, { redirectUri: WEB })).step.answer.status).toBe(400);
  });
});
