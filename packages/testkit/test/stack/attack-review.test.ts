import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClientStore } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { DocumentOrigin, HttpPerson } from '../../src/index.ts';
import { asks, createHttpPerson, plainText, requestToken, startDocumentOrigin } from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import { authorizationRequest, obtainCode, redeem, type Target, targetOf, tokensOf } from './support/authorization.ts';
import { type CommandLine, createCommandLine } from './support/command-line.ts';
import { ageDocuments, networkTo, publish } from './support/document-client.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { createReviewDesk, type ReviewDesk } from './support/review-desk.ts';

const GOOD = 'https://good.example/callback';
const EVIL = 'https://evil.example/callback';

let database: TestDatabase;
let origin: DocumentOrigin;
let server: InProcess;
let target: Target;
let token: string;
let review: ReviewDesk;
let admin: CommandLine;
let person: HttpPerson;

beforeAll(async () => {
  database = await createTestDatabase();
  origin = await startDocumentOrigin(['ask.example', 'open.example']);
  server = await startInProcess({
    databaseUrl: database.url,
    env: OWNER_ENV,
    configuration: {
      registration: { policy: 'review' },
      clientMetadataDocuments: { trust: { ask: ['ask.example'] } },
    },
    network: networkTo(origin),
  });
  target = await targetOf(server);
  const tokens = await adminTokens(target);
  token = tokens.access;
  review = createReviewDesk({ target, token });
  admin = createCommandLine();
  admin.signIn(server.issuer, tokens);
});

afterAll(async () => {
  admin?.remove();
  await server?.close();
  await origin?.close();
  await database?.drop();
});

beforeEach(() => {
  person = createHttpPerson();
});

describe('a decision is about what was looked at', () => {
  test.each(['approve', 'reject'] as const)('%s: not for a client that has changed in between', async (decision) => {
    const client = await review.waitingClient();
    const seen = await review.look(client.id);
    expect(await client.change(EVIL)).toBe(200);
    expect(await review.decide(client.id, decision, seen.version)).toBe(409);
    const now = await review.look(client.id);
    expect(now).toMatchObject({ state: 'pending', redirectUris: [EVIL] });
    expect(await review.decide(client.id, decision, now.version)).toBe(200);
  });

  test('a limit that another administrator set counts too', async () => {
    const { id } = await review.waitingClient();
    const { version } = await review.look(id);
    const change = { token, method: 'PATCH', path: `/clients/${id}`, body: { scopes: ['desk:read'] } };
    expect((await callAdmin(server.issuer, change)).status).toBe(200);
    expect(await review.decide(id, 'approve', version)).toBe(409);
  });

  test('approvals and a change at the same moment, eight at once: what was changed is never let in', async () => {
    const ends = new Set<string>();
    for (let round = 0; round < rounds(100); round += 1) {
      const client = await review.waitingClient();
      const { version } = await review.look(client.id);
      const approve = () => review.decide(client.id, 'approve', version);
      const change = () => client.change(EVIL);
      await Promise.all([approve(), change(), approve(), change(), change(), approve(), change(), approve()]);
      const { state, redirectUris } = await review.look(client.id);
      ends.add(`${state} ${redirectUris.join()}`);
    }
    expect([...ends]).toEqual([`pending ${EVIL}`]);
  });

  test('a client that was turned away does not come back by changing itself', async () => {
    const client = await review.waitingClient();
    const { version } = await review.look(client.id);
    expect(await review.decide(client.id, 'reject', version)).toBe(200);
    expect(await client.change(EVIL)).toBe(200);
    expect(await review.look(client.id)).toMatchObject({ state: 'rejected' });
  });

  test('a document that has changed has to be looked at again', async () => {
    const clientId = `https://ask.example/${randomUUID()}.json`;
    const ask = async () => {
      const request = authorizationRequest(target, { id: clientId, secret: undefined, redirectUri: GOOD });
      await person.open(request.url);
    };
    publish(origin, clientId, { redirect_uris: [GOOD] });
    await ask();
    const seen = await review.look(clientId);
    expect(seen).toMatchObject({ state: 'pending', redirectUris: [GOOD] });
    publish(origin, clientId, { redirect_uris: [GOOD, EVIL] });
    await ageDocuments(server.database, 60);
    await ask();
    expect(await review.decide(clientId, 'approve', seen.version)).toBe(409);
    expect(await review.decide(clientId, 'approve', (await review.look(clientId)).version)).toBe(200);
  });

  test('portcullis shows what it is about to approve, asks, and sends what it has shown', async () => {
    const client = await review.waitingClient();
    const no = await admin.run(['clients', 'approve', client.id], { answers: ['n'] });
    expect(no).toMatchObject({ code: 1, out: '', err: expect.stringContaining(GOOD) });
    const stale = (await review.look(client.id)).version;
    expect((await admin.run(['clients', 'show', client.id])).out).toContain(stale);
    await client.change(EVIL);
    const refused = await admin.run(['clients', 'approve', client.id, '--seen', stale]);
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('has changed since you looked') });
    expect((await review.look(client.id)).state).toBe('pending');
    const yes = await admin.run(['clients', 'approve', client.id], { answers: ['y'] });
    expect(yes).toMatchObject({ code: 0, out: expect.stringContaining('is active now') });
    expect(yes.err).toContain(EVIL);
    expect((await createClientStore(server.database).find({ id: client.id, now: new Date() }))?.state).toBe('active');
  });
});

describe('an app that names itself by a URL, from a host whose apps are all let in', () => {
  test('is kept out by disable at once, with the refresh tokens it has, until it is enabled again', async () => {
    const clientId = `https://open.example/${randomUUID()}.json`;
    const client = { id: clientId, secret: undefined, redirectUri: GOOD };
    publish(origin, clientId, { redirect_uris: [GOOD] });
    const code = await obtainCode(target, client, { person });
    const { refresh } = tokensOf(await redeem(target, client, { code }));

    const no = await admin.run(['clients', 'disable', clientId], { answers: ['n'] });
    expect(no.code).toBe(1);
    const disabled = await admin.run(['clients', 'disable', clientId, '--yes']);
    expect(disabled).toMatchObject({ code: 0, out: expect.stringContaining('Ticket helper is rejected now') });
    expect(await admin.run(['clients', 'disable', clientId, '--yes'])).toMatchObject({ code: 1 });
    const page = await person.open(authorizationRequest(target, client).url);
    expect(plainText(page.answer.text)).toContain('not allowed here');
    const body = { grant_type: 'refresh_token', client_id: clientId, refresh_token: refresh };
    expect(await requestToken(target.server, body)).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
    expect((await admin.run(['clients', 'list', '--state', 'rejected'])).out).toContain(clientId);
    const recorded = await admin.run(['audit', 'search', '--client', clientId, '--type', 'client.disabled', '--json']);
    expect(JSON.parse(recorded.out).items).toHaveLength(1);

    expect(await admin.run(['clients', 'enable', clientId])).toMatchObject({ code: 0 });
    const again = await person.open(authorizationRequest(target, client).url);
    expect(again.kind === 'left' || asks(again, 'approve')).toBe(true);
    expect((await requestToken(target.server, body)).status).toBe(200);
  });

  test('can be kept out before it comes, but only by an address that it may have', async () => {
    const clientId = `https://open.example/${randomUUID()}.json`;
    publish(origin, clientId, { redirect_uris: [GOOD] });
    expect(await admin.run(['clients', 'disable', clientId, '--yes'])).toMatchObject({ code: 0 });
    const before = origin.connections();
    const client = { id: clientId, secret: undefined, redirectUri: GOOD };
    const page = await person.open(authorizationRequest(target, client).url);
    expect(plainText(page.answer.text)).toContain('not allowed here');
    expect(origin.connections()).toBe(before);
    for (const [args, words] of [
      [['disable', 'https://open.example/', '--yes'], 'no such client'],
      [['enable', 'https://open.example/never.json'], 'no such client'],
    ] as const)
      expect(await admin.run(['clients', ...args])).toMatchObject({ code: 1, err: expect.stringContaining(words) });
  });

  test('enable is no way round the review of one that waits', async () => {
    const clientId = `https://ask.example/${randomUUID()}.json`;
    publish(origin, clientId, { redirect_uris: [GOOD] });
    await person.open(authorizationRequest(target, { id: clientId, secret: undefined, redirectUri: GOOD }).url);
    const answer = await admin.run(['clients', 'enable', clientId]);
    expect(answer).toMatchObject({ code: 1, err: expect.stringContaining('let in with approve') });
    expect((await review.look(clientId)).state).toBe('pending');
  });

  test.each([
    ['update', ['--name', 'Mine']],
    ['delete', ['--yes']],
  ])('%s says what to do instead', async (command, options) => {
    const answer = await admin.run(['clients', command, 'https://open.example/client.json', ...options]);
    expect(answer).toMatchObject({ code: 1, out: '' });
    for (const words of ['its makers alone change', 'can be disabled', 'grants can be revoked'])
      expect(answer.err).toContain(words);
  });

  test('rotate-secret says that there is none', async () => {
    const args = ['clients', 'rotate-secret', 'https://open.example/client.json', '--yes'];
    expect(await admin.run(args)).toMatchObject({ code: 1, err: expect.stringContaining('has no secret') });
  });
});
