import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { DocumentOrigin, RawAnswer } from '../../src/index.ts';
import { createHttpPerson, plainText, sendRaw, startDocumentOrigin } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, registerClient, shownError, targetOf } from './support/authorization.ts';
import { networkTo, publish } from './support/document-client.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

const LURE = 'https://lure.example/landing';

/** Requests that are answered with an error at once. */
const SPOILT: [string, Record<string, string | undefined>][] = [
  ['prompt=none', { prompt: 'none' }],
  ['no PKCE', { code_challenge: undefined }],
  ['an unknown resource', { resource: 'https://elsewhere.example/mcp' }],
  ['another response type', { response_type: 'token' }],
  ['a fragment', { response_mode: 'fragment' }],
  ['a form that posts itself', { response_mode: 'form_post' }],
  ['a request object', { request: 'x' }],
];

describe('AS-42, AS-43: nobody is sent to a client that came by itself before they have signed in', () => {
  let testDatabase: TestDatabase;
  let origin: DocumentOrigin;
  let server: InProcess;
  let target: Target;
  const clients: Record<string, TestClient> = {};

  beforeAll(async () => {
    testDatabase = await createTestDatabase();
    origin = await startDocumentOrigin(['client.example']);
    server = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV, network: networkTo(origin) });
    target = await targetOf(server);
    clients.dynamic = await registerClient(target, { redirect_uris: [LURE] });
    const id = `https://client.example/${randomUUID()}`;
    publish(origin, id, { redirect_uris: [LURE] });
    clients.document = { id, secret: undefined, redirectUri: LURE };
    // Another name: registrations that are alike share one client.
    clients.known = await registerClient(target, { client_name: 'Known', redirect_uris: [LURE] });
    await server.database.prisma.client.update({ where: { id: clients.known.id }, data: { registration: 'manual' } });
  });

  afterAll(async () => {
    await server?.close();
    await origin?.close();
    await testDatabase?.drop();
  });

  const clientOf = (kind: string) => clients[kind] as TestClient;
  const cases = ['dynamic', 'document'].flatMap((kind) => SPOILT.map(([what, changes]) => ({ kind, what, changes })));

  test.each(cases)('$kind client, $what: a page that shows where the error would go', async ({ kind, changes }) => {
    const { url, state } = authorizationRequest(target, clientOf(kind), changes);
    const answer = await sendRaw(url);
    expect({ status: answer.status, location: answer.headers.location }).toEqual({ status: 400, location: undefined });
    expect(answer.headers['content-type']).toContain('text/html');
    expect(answer.text).not.toMatch(/<form|<script|http-equiv/i);
    expect(plainText(answer.text)).toContain('lure.example');
    const shown = shownError(answer);
    expect(`${shown?.origin}${shown?.pathname}`).toBe(LURE);
    expect(Object.fromEntries(shown?.searchParams ?? [])).toMatchObject({
      error: expect.any(String),
      state,
      iss: server.issuer,
    });
  });

  test.each(['dynamic', 'document'])(
    '%s client: whoever turns the sign-in down is not sent there either',
    async (kind) => {
      const person = createHttpPerson();
      const step = await person.open(authorizationRequest(target, clientOf(kind)).url);
      const end = await person.submit(step, { action: 'cancel' });
      expect(end.kind).toBe('page');
      expect(shownError(end.answer)?.searchParams.get('error')).toBe('access_denied');
    },
  );

  test.each(['dynamic', 'document'])('%s client: whoever has signed in is', async (kind) => {
    const person = createHttpPerson();
    const first = await person.open(authorizationRequest(target, clientOf(kind)).url);
    const consent = await person.submit(first, { ...OWNER, action: 'login' });
    const denied = await person.submit(consent, { action: 'deny' });
    expect(denied.url.searchParams.get('error')).toBe('access_denied');
    const spoilt = await person.open(authorizationRequest(target, clientOf(kind), { code_challenge: undefined }).url);
    expect([spoilt.kind, spoilt.url.origin]).toEqual(['left', 'https://lure.example']);
  });

  test.each(['fragment', 'form_post', 'jwt'])(
    'AS-8: asked for response_mode=%s, the error comes by query, with iss',
    async (mode) => {
      const person = createHttpPerson();
      const first = await person.open(authorizationRequest(target, clientOf('dynamic')).url);
      await person.submit(first, { ...OWNER, action: 'login' });
      const { url, state } = authorizationRequest(target, clientOf('dynamic'), { response_mode: mode });
      const end = await person.open(url);
      expect([end.kind, `${end.url.origin}${end.url.pathname}`, end.url.hash]).toEqual(['left', LURE, '']);
      expect(Object.fromEntries(end.url.searchParams)).toMatchObject({
        error: mode === 'jwt' ? 'unsupported_response_mode' : 'invalid_request',
        state,
        iss: server.issuer,
      });
    },
  );

  test('AS-8: iss is on every way out of somebody who has signed in', async () => {
    const person = createHttpPerson();
    let step = await person.open(authorizationRequest(target, clientOf('dynamic')).url);
    step = await person.submit(step, { ...OWNER, action: 'login' });
    const ends = [await person.submit(step, { action: 'deny' })];
    const spoilt = [...SPOILT.map(([, changes]) => changes), { prompt: 'none login' }];
    for (const changes of spoilt)
      ends.push(await person.open(authorizationRequest(target, clientOf('dynamic'), changes).url));
    step = await person.open(authorizationRequest(target, clientOf('dynamic')).url);
    ends.push(await person.submit(step, { action: 'approve' }));
    for (const { kind, url } of ends) {
      expect([kind, `${url.origin}${url.pathname}`, url.hash]).toEqual(['left', LURE, '']);
      expect(url.searchParams.getAll('iss')).toEqual([server.issuer]);
    }
    const errors = ends.map(({ url }) => url.searchParams.get('error'));
    const refusals = [
      'access_denied',
      'consent_required',
      'invalid_request',
      'invalid_target',
      'request_not_supported',
    ];
    expect(new Set(errors)).toEqual(new Set([...refusals, null]));
  });

  test('AS-31: nobody is led to a browser’s own scheme, whoever registered it before', async () => {
    const uri = 'microsoft-edge:https://lure.example/landing';
    const client = await registerClient(target, { client_name: 'Before', redirect_uris: [LURE] });
    await server.database.prisma.client.update({
      where: { id: client.id },
      data: { applicationType: 'native', redirectUris: JSON.stringify([uri]) },
    });
    const person = createHttpPerson();
    const request = (changes = {}) => authorizationRequest(target, { ...client, redirectUri: uri }, changes).url;
    const isLedNowhere = (answer: RawAnswer) => {
      expect({ status: answer.status, location: answer.headers.location }).toEqual({
        status: 400,
        location: undefined,
      });
      expect(answer.text).not.toMatch(/href="[^"]*lure|edge:/);
    };
    isLedNowhere(await sendRaw(request({ prompt: 'none' })));
    const first = await person.open(request());
    isLedNowhere((await person.submit(first, { ...OWNER, action: 'login' })).answer);
    isLedNowhere((await person.open(request({ prompt: 'none' }))).answer);
  });

  test('AS-42: whoever only begins authorizations cannot fill the database: neither long ones nor many', async () => {
    const { url } = authorizationRequest(target, clientOf('dynamic'));
    const begun = () => server.database.prisma.engineRecord.count({ where: { model: 'Interaction' } });
    const begin = (changes: Record<string, string>, fromAddress = '127.0.0.90') =>
      sendRaw(authorizationRequest(target, clientOf('dynamic'), changes).url, { fromAddress });
    expect((await begin({ state: 'x'.repeat(8000 - url.search.length) })).status).toBe(303);
    const before = await begun();
    const long = await begin({ state: 'x'.repeat(8200) });
    expect([long.status, plainText(long.text)]).toEqual([414, expect.stringContaining('send a short state')]);
    await server.database.prisma.rateLimit.updateMany({
      where: { key: 'authorization:127.0.0.90' },
      data: { points: 3000 },
    });
    const many = await Promise.all([1, 2, 3].map(() => begin({})));
    expect(many.map(({ status }) => status)).toEqual([429, 429, 429]);
    expect(Number(many[0]?.headers['retry-after'])).toBeGreaterThan(0);
    expect(await begun()).toBe(before);
    expect((await begin({}, '127.0.0.91')).status).toBe(303);
    expect(await server.metrics()).toMatch(/^portcullis_limiter_hits_total\{limit="authorization"\} 3$/m);
  });

  test('a client that an administrator registered is trusted with it', async () => {
    const { url } = authorizationRequest(target, clientOf('known'), { prompt: 'none' });
    const { status, headers } = await sendRaw(url);
    expect(status).toBe(303);
    expect(headers.location).toMatch(/^https:\/\/lure\.example\/landing\?error=login_required&/);
  });

  test('with parameters that are repeated there is no page that leads on', async () => {
    const { url } = authorizationRequest(target, clientOf('dynamic'), { code_challenge: undefined });
    url.searchParams.append('redirect_uri', 'https://other.example/');
    const answer = await sendRaw(url);
    expect({ status: answer.status, location: answer.headers.location }).toEqual({ status: 400, location: undefined });
    expect(answer.text).not.toContain('other.example');
  });
});
