import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatPersonalAccessToken } from '@portcullis/guard';
import {
  changePassword,
  createAuditLog,
  createPersonalAccessTokenStore,
  createResourceStore,
  createUserStore,
  dumpTables,
} from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { bearer, type JsonAnswer, pollUntil, requestToken, sendJson } from '../../src/index.ts';
import { act, cookiesOf, formTokenOf, passwordLink, post, setPassword, words } from './support/account.ts';
import { ALL_ADMIN_SCOPES, adminTokens, callAdmin } from './support/administration.ts';
import {
  authorizationRequest,
  registerClient,
  type Target,
  type TestClient,
  targetOf,
} from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import {
  basicAuthorization,
  type ListeningGuard,
  listeningGuard,
  registerResourceServer,
  type ServerCredentials,
} from './support/listening-guard.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';
import { askForToken, type Holder, makeToken, newHolder } from './support/personal-access-tokens.ts';

const OTHER = 'https://other.example/mcp';
const DAY_SECONDS = 24 * 3600;

let testDatabase: TestDatabase;
let server: InProcess;
let target: Target;
let client: TestClient;
let admin: string;
let desk: ServerCredentials;
/** Two servers of the desk's resource, and that of another one. */
let guards: ListeningGuard[];
let other: ListeningGuard;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
  target = await targetOf(server);
  client = await registerClient(target);
  admin = (await adminTokens(target)).access;
  await createResourceStore(server.database).add({
    ...{ url: OTHER, identifier: OTHER, name: 'Other', defaultScopes: ['desk:read'], proofOfPossession: undefined },
    ...{ scopes: { 'desk:read': { description: 'Read', sensitive: false } }, roles: {}, createdAt: new Date() },
  });
  desk = await registerResourceServer(server.database, server.mcpUrl);
  const listening = async (resource: string, revocation: ServerCredentials) =>
    listeningGuard({ issuer: server.issuer, resource, revocation });
  guards = [await listening(server.mcpUrl, desk), await listening(server.mcpUrl, desk)];
  other = await listening(OTHER, await registerResourceServer(server.database, OTHER));
});

afterAll(async () => {
  for (const { guard } of [...(guards ?? []), ...(other ? [other] : [])]) guard.close();
  await server?.close();
  await testDatabase?.drop();
});

const verdicts = (token: string) => Promise.all(guards.map(({ verdict }) => verdict(token)));
const BOTH_TAKE = ['taken', 'taken'];

/** Waits until both servers, which have taken a token and kept that, refuse it. */
async function expectRefused(token: string): Promise<void> {
  expect(await Promise.all(guards.map(({ untilRefused }) => untilRefused(token)))).toEqual(['inactive', 'inactive']);
}

/** A token that both servers have taken. */
async function keptToken(holder: Holder, changes?: Parameters<typeof askForToken>[1]): Promise<string> {
  const token = await makeToken(holder, changes);
  expect(await verdicts(token)).toEqual(BOTH_TAKE);
  return token;
}

const tokensOf = ({ who }: Holder) =>
  createPersonalAccessTokenStore(server.database).list({ userId: who.userId, limit: 10, now: server.now() });

function introspect(token: string, headers: Record<string, string>): Promise<JsonAnswer> {
  return sendJson(`${server.issuer}/introspect`, { body: new URLSearchParams({ token }), headers });
}

const issue = (body: object) =>
  callAdmin(server.issuer, { token: admin, method: 'POST', path: '/personal-access-tokens', body });

const events = (type: string, { who }: Holder) => createAuditLog(server.database).list({ type, subject: who.userId });

describe('a personal access token (SP-14)', () => {
  test('is shown once, used, listed with its last use, and revoked on the account page; each is recorded', async () => {
    const holder = await newHolder(server);
    const token = await keptToken(holder);
    const page = await holder.person.open(`${server.issuer}/account`);
    expect(words(page)).toMatch(/editor.*Last used (?!not yet).*Search and read tickets/s);
    expect(page.answer.text).not.toContain(token.slice(4, 40));
    const [record] = await tokensOf(holder);
    const after = await act(holder.person, page, { path: `/account/tokens/${record?.id}/revoke`, action: 'revoke' });
    expect(words(after)).toContain('no server takes that token any more');
    await expectRefused(token);
    expect(words(after)).not.toContain('editor');
    const [issued] = await events('personal_access_token.issued', holder);
    expect(issued).toMatchObject({ outcome: 'success', resource: server.mcpUrl, detail: { by: 'account page' } });
    expect(await events('personal_access_token.revoked', holder)).toHaveLength(1);
    // Two servers asked, within a minute.
    expect(await events('personal_access_token.used', holder)).toMatchObject([
      { client: `personal-access-token:${record?.id}`, resource: server.mcpUrl, detail: { askedBy: desk.clientId } },
    ]);
  });

  test('is told of to the server of its own resource alone, and says whose it is and what is left of it', async () => {
    const holder = await newHolder(server, ['agent']);
    const token = await makeToken(holder, { scope: ['desk:write', 'desk:read'] });
    const [record] = await tokensOf(holder);
    const { json } = await introspect(token, basicAuthorization(desk));
    expect(json).toEqual({
      active: true,
      token_type: 'Bearer',
      iss: server.issuer,
      sub: holder.who.userId,
      aud: server.mcpUrl,
      client_id: `personal-access-token:${record?.id}`,
      scope: 'desk:read desk:write',
      roles: ['agent'],
      iat: expect.any(Number),
      exp: expect.any(Number),
      jti: record?.id,
      gid: record?.id,
    });
    expect(Number(json?.exp) - Number(json?.iat)).toBe(30 * DAY_SECONDS);
    const app = await registerClient(target, {
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: ['https://app.example/callback'],
    });
    const asApp = basicAuthorization({ clientId: app.id, clientSecret: app.secret ?? '' });
    expect((await introspect(token, asApp)).json).toEqual({ active: false });
    expect((await sendJson(`${server.issuer}/introspect`, { body: new URLSearchParams({ token }) })).status).toBe(400);
    expect(await other.verdict(token)).toBe('inactive');
    expect(await verdicts(token)).toEqual(BOTH_TAKE);
  });

  test('is never taken by the admin API, and never made for it', async () => {
    const token = await makeToken(await newHolder(server, ['admin', 'lead']));
    const answer = await callAdmin(server.issuer, { token, path: '/status' });
    expect(answer.status).toBe(401);
    const adminUrl = `${server.issuer}/admin`;
    for (const scopes of [ALL_ADMIN_SCOPES.split(' '), ['desk:read']]) {
      const made = await issue({ name: 'admin', user: OWNER.email, resource: adminUrl, scopes });
      expect(made).toMatchObject({ status: 400, json: { errors: [{ field: 'resource' }] } });
    }
    const owner = await newHolder(server, ['admin', 'lead']);
    const page = await askForToken(owner, { resource: adminUrl, scope: ['admin:users'] });
    expect(page.answer.status).toBe(400);
    expect(await tokensOf(owner)).toEqual([]);
  });

  test('is worth nothing at the endpoints that give out tokens, and is not ended by whoever holds it there', async () => {
    const token = await makeToken(await newHolder(server));
    const requests: Record<string, string>[] = [
      { grant_type: 'refresh_token', refresh_token: token },
      {
        grant_type: 'authorization_code',
        code: token,
        redirect_uri: client.redirectUri,
        code_verifier: 'v'.repeat(43),
      },
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      },
      { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: token },
    ];
    for (const request of requests) {
      const answer = await requestToken(target.server, { client_id: client.id, resource: server.mcpUrl, ...request });
      expect(answer.status).toBe(400);
      expect(answer.json).not.toHaveProperty('access_token');
    }
    const { url } = authorizationRequest(target, client);
    const asked = await sendJson(String(url), { headers: bearer(token) });
    expect(asked.headers.location).toContain('/interaction/');
    const body = new URLSearchParams({ token, client_id: client.id });
    await sendJson(`${server.issuer}/revoke`, { body });
    expect(await verdicts(token)).toEqual(BOTH_TAKE);
  });

  test('that was never made, though its checksum is right, is refused', async () => {
    expect(await verdicts(await formatPersonalAccessToken(Buffer.alloc(32, 1)))).toEqual(['inactive', 'inactive']);
  });
});

describe('what ends or narrows a personal access token where it is kept (SP-12)', () => {
  test('its user is disabled by an administrator; being enabled again does not bring it back', async () => {
    const holder = await newHolder(server);
    const token = await keptToken(holder);
    const path = `/users/${holder.who.userId}`;
    await callAdmin(server.issuer, { token: admin, method: 'POST', path: `${path}/disable` });
    await expectRefused(token);
    await callAdmin(server.issuer, { token: admin, method: 'POST', path: `${path}/enable` });
    await expectRefused(token);
  });

  test('its user is disabled, in the database alone', async () => {
    const holder = await newHolder(server);
    const token = await makeToken(holder);
    await server.database.prisma.user.update({ where: { id: holder.who.userId }, data: { disabledAt: server.now() } });
    expect(await verdicts(token)).toEqual(['inactive', 'inactive']);
  });

  test('a role is taken from its user: what only that role permits goes at once, and comes back with it', async () => {
    const holder = await newHolder(server, ['lead']);
    const token = await keptToken(holder, { scope: ['desk:read', 'desk:admin'] });
    const withRoles = (roles: string[]) =>
      callAdmin(server.issuer, { token: admin, method: 'PATCH', path: `/users/${holder.who.userId}`, body: { roles } });
    const scopesAt = async ({ guard }: ListeningGuard) => {
      const verdict = await guard.verifyToken(token);
      return verdict.ok ? verdict.principal.scopes.join(' ') : verdict.refusal.reason;
    };
    expect(await Promise.all(guards.map(scopesAt))).toEqual(['desk:read desk:admin', 'desk:read desk:admin']);
    const until = (scopes: string) =>
      pollUntil(async () => (await Promise.all(guards.map(scopesAt))).every((said) => said === scopes), {
        what: scopes,
        intervalMs: 5,
      });
    await withRoles(['agent']);
    await until('desk:read');
    await withRoles([]);
    await until('inactive');
    await withRoles(['lead']);
    await until('desk:read desk:admin');
  });

  test('its user sets a new password, on the account page or by a one-time link', async () => {
    const [first, second] = [await newHolder(server), await newHolder(server)];
    const [one, two] = [await keptToken(first), await keptToken(second)];
    await act(first.person, await first.person.open(`${server.issuer}/account`), {
      path: '/account/password',
      current_password: first.who.password,
      password: 'a heron on the weir',
    });
    await setPassword(await passwordLink(server, second.who.userId), 'a heron on the weir');
    await expectRefused(one);
    await expectRefused(two);
  });

  test('made while all that the password opened was being ended, it is worth nothing', async () => {
    const holder = await newHolder(server);
    const user = await createUserStore(server.database).findById(holder.who.userId);
    if (user?.passwordHash == null) throw new Error('no user');
    await changePassword(server.database, {
      ...{ userId: user.id, passwordHash: user.passwordHash, proof: { presentHash: user.passwordHash } },
      ...{ now: server.now(), origin: { address: '127.0.0.1', correlationId: 'c' } },
    });
    const token = await formatPersonalAccessToken(Buffer.alloc(32, 2));
    const wanted = { name: 'late', resource: server.mcpUrl, scopes: ['desk:read'], issuedBy: undefined };
    const now = server.now();
    await createPersonalAccessTokenStore(server.database).issue({ ...wanted, token, user, now, ttlSeconds: 60 });
    expect(await verdicts(token)).toEqual(['inactive', 'inactive']);
  });

  test('an administrator revokes it by its id; nobody does by its value', async () => {
    const holder = await newHolder(server);
    const token = await keptToken(holder);
    const revoke = (id: string) =>
      callAdmin(server.issuer, { token: admin, method: 'DELETE', path: `/personal-access-tokens/${id}` });
    expect((await revoke(token)).status).toBe(404);
    const [record] = await tokensOf(holder);
    expect((await revoke(record?.id ?? '')).status).toBe(200);
    await expectRefused(token);
    expect((await revoke(record?.id ?? '')).status).toBe(404);
  });
});

describe('making a personal access token', () => {
  test.each([
    ['lasts too long', { days: '366' }],
    ['lasts no time', { days: '0' }],
    ['lasts a fraction', { days: '1.5' }],
    ['lasts for ever', { days: '' }],
    ['lasts 1e2 days', { days: '1e2' }],
    ['has no name', { name: ' ' }],
    ['has a name that is too long', { name: 'x'.repeat(81) }],
    ['has no scope', { scope: [] }],
    ['has a scope that its user’s roles do not permit', { scope: ['desk:read', 'desk:admin'] }],
    ['has a scope that the resource does not know', { scope: ['admin:users'] }],
    ['is for a resource that is not there', { resource: 'https://nowhere.example/mcp' }],
    ['comes without the password', { current_password: '' }],
    ['comes with a wrong password', { current_password: 'not the password' }],
  ])('is refused when it %s', async (_, changes) => {
    const holder = await newHolder(server, ['agent']);
    const page = await askForToken(holder, changes);
    expect(page.answer.status).toBe(400);
    expect(page.answer.text).not.toContain('id="token"');
    expect(await tokensOf(holder)).toEqual([]);
  });

  test('with a wrong password is recorded, and tried within the limits of the sign-in', async () => {
    const holder = await newHolder(server);
    let status = 0;
    for (let tries = 0; tries < 30 && status !== 429; tries += 1)
      status = (await askForToken(holder, { current_password: 'guess' })).answer.status;
    expect(status).toBe(429);
    expect((await askForToken(holder)).answer.text).not.toContain('id="token"');
    const [denied] = await events('personal_access_token.issued', holder);
    expect(denied).toMatchObject({ outcome: 'denied', detail: { reason: 'too many failures' } });
  });

  test('is refused to the admin API likewise, and to whoever has another scope of administration', async () => {
    const holder = await newHolder(server, ['agent']);
    const right = { name: 'ci', user: holder.who.email, scopes: ['desk:read'] };
    const wrong = [
      ...[{ days: 366 }, { days: 0 }, { days: 1.5 }, { days: '30' }, { scopes: [] }, { scopes: ['desk:admin'] }],
      ...[{ resource: 'https://nowhere.example/mcp' }, { name: '' }, { accessEpoch: 7 }],
    ];
    for (const changes of wrong) expect((await issue({ ...right, ...changes })).status).toBe(400);
    expect((await issue({ ...right, user: 'nobody@example.com' })).status).toBe(404);
    const { access } = await adminTokens(target, { scope: 'admin:users admin:grants' });
    const narrow = await callAdmin(server.issuer, {
      ...{ token: access, method: 'POST', path: '/personal-access-tokens', body: right },
    });
    expect(narrow.status).toBe(403);
    expect(await tokensOf(holder)).toEqual([]);
  });

  test('by an administrator for somebody else is recorded, and shown to that person as such', async () => {
    const holder = await newHolder(server, ['agent']);
    const made = await issue({ name: 'nightly', user: holder.who.email, scopes: ['desk:read'] });
    expect(made).toMatchObject({ status: 201, json: { personalAccessToken: { userEmail: holder.who.email } } });
    expect(await verdicts(String(made.json?.token))).toEqual(BOTH_TAKE);
    const page = await holder.person.open(`${server.issuer}/account`);
    expect(words(page)).toMatch(/nightly made by an administrator/);
    const [event] = await createAuditLog(server.database).list({ type: 'personal_access_token.issued' });
    expect(event).toMatchObject({ detail: { user: holder.who.userId, through: 'portcullis-cli' } });
    expect(event?.subject).not.toBe(holder.who.userId);
  });

  test('needs the form that was shown to this sign-in, sent from our own page (CSRF)', async () => {
    const [victim, attacker] = [await newHolder(server), await newHolder(server)];
    const fields = {
      ...{ resource: server.mcpUrl, name: 'planted', scope: 'desk:read', days: '30', action: 'issue' },
      current_password: victim.who.password,
    };
    const cookie = cookiesOf(server, victim.person);
    const own = formTokenOf(victim.page, '/account/tokens');
    const forged = [
      { cookie, fields },
      { cookie, fields: { ...fields, form_token: formTokenOf(attacker.page, '/account/tokens') } },
      {
        cookie,
        fields: {
          ...fields,
          form_token: formTokenOf(await victim.person.open(`${server.issuer}/account`), '/account/password'),
        },
      },
      { cookie, fields: { ...fields, form_token: own }, headers: { origin: 'https://evil.example' } },
      { cookie: undefined, fields: { ...fields, form_token: own } },
    ];
    for (const request of forged) {
      const answer = await post(server, '/tokens', request);
      expect(answer.text).not.toContain('id="token"');
    }
    expect(await tokensOf(victim)).toEqual([]);
    expect((await post(server, '/tokens', { cookie, fields: { ...fields, form_token: own } })).status).toBe(200);
  });
});

describe('somebody else’s token', () => {
  test('cannot be revoked through the account page: it is answered like one that is not there', async () => {
    const [victim, attacker] = [await newHolder(server), await newHolder(server)];
    const [token] = [await keptToken(victim), await makeToken(attacker)];
    const [[theirs], [own]] = [await tokensOf(victim), await tokensOf(attacker)];
    const page = await attacker.person.open(`${server.issuer}/account`);
    const form_token = formTokenOf(page, `/account/tokens/${own?.id}/revoke`);
    const cookie = cookiesOf(server, attacker.person);
    const texts = new Set<string>();
    for (const id of [theirs?.id, 'no-such-token']) {
      const answer = await post(server, `/tokens/${id}/revoke`, { cookie, fields: { form_token } });
      expect(answer.status).toBe(404);
      texts.add(answer.text.replace(/<code class="whole">[^<]*/, ''));
    }
    expect(texts.size).toBe(1);
    const unforged = await post(server, `/tokens/${own?.id}/revoke`, { cookie, fields: {} });
    expect(unforged.status).toBe(400);
    expect([await tokensOf(victim), await tokensOf(attacker)].map(({ length }) => length)).toEqual([1, 1]);
    expect(await verdicts(token)).toEqual(BOTH_TAKE);
  });

  test('cannot be had from what is stored', async () => {
    const token = await makeToken(await newHolder(server));
    const tables = await dumpTables(server.database);
    expect(tables).not.toContain(token);
    const { tokenHash } = await server.database.prisma.personalAccessToken.findFirstOrThrow();
    for (const stored of [
      tokenHash,
      `pct_${tokenHash}`,
      await formatPersonalAccessToken(Buffer.from(tokenHash, 'base64url')),
    ])
      expect(await verdicts(stored)).not.toContain('taken');
  });
});

// The last: the clocks stay where they are, ahead of the engine's own.
test('the use of a personal access token is recorded once a minute, however often it is asked about', async () => {
  const holder = await newHolder(server);
  const token = await makeToken(holder);
  for (const seconds of [0, 59, 1]) {
    server.pass(seconds);
    await introspect(token, basicAuthorization(desk));
  }
  expect(await events('personal_access_token.used', holder)).toHaveLength(2);
});

test('a personal access token is refused once it has expired, also where it was kept', async () => {
  const token = await keptToken(await newHolder(server), { days: '1' });
  for (const one of [server, ...guards]) one.pass(DAY_SECONDS + 6);
  for (const { untilFresh } of guards) await untilFresh();
  for (const verdict of await verdicts(token)) expect(['expired', 'inactive']).toContain(verdict);
  expect((await introspect(token, basicAuthorization(desk))).json).toEqual({ active: false });
});
