import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog, createUserStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { asks, createHttpPerson, readToken } from '../../src/index.ts';
import type { Member } from './support/account.ts';
import {
  act,
  connect,
  isAccountPage,
  join,
  passwordLink,
  refresh,
  setPassword,
  signInAtAccount,
  words,
} from './support/account.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, redeem, registerClient, targetOf } from './support/authorization.ts';
import { documentOf } from './support/document-client.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const PHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';
const PINNED = 'https://pinned.example/client.json';

let testDatabase: TestDatabase;
let server: InProcess;
let target: Target;
/** An app whose consent is not remembered, and one whose is. */
let local: TestClient;
let web: TestClient;
let nth = 0;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({
    databaseUrl: testDatabase.url,
    env: OWNER_ENV,
    configuration: {
      clientMetadataDocuments: {
        pinned: {
          [PINNED]: documentOf(PINNED, {
            client_name: 'Pinned helper',
            redirect_uris: ['https://app.example/callback'],
          }),
        },
      },
    },
  });
  target = await targetOf(server);
  local = await registerClient(target, { client_name: 'Local helper' });
  web = await registerClient(target, { client_name: 'Web helper', redirect_uris: ['https://app.example/callback'] });
});

afterAll(async () => {
  await server?.close();
  await testDatabase?.drop();
});

const newMember = () => join(server, `member-${nth++}@example.com`);

/** Somebody new, in front of their account page. */
async function atAccount(options: Parameters<typeof createHttpPerson>[0] = {}) {
  const who = await newMember();
  const person = createHttpPerson(options);
  const page = await signInAtAccount(server.issuer, person, who);
  return { who, person, page };
}

const open = (person: ReturnType<typeof createHttpPerson>) => person.open(`${server.issuer}/account`);

async function recorded(who: Member, type: string) {
  return createAuditLog(server.database).list({ subject: who.userId, type });
}

describe('signing in', () => {
  test('at the account page serves an app too, and the other way round', async () => {
    const { who, person, page } = await atAccount();
    expect(isAccountPage(page)).toBe(true);
    expect(words(page)).toContain(who.email);
    expect(asks(await person.open(authorizationRequest(target, local).url), 'approve')).toBe(true);
    expect(await recorded(who, 'user.signed_in')).toMatchObject([{ outcome: 'success' }]);

    const other = createHttpPerson();
    await connect(target, local, { person: other, who });
    expect(isAccountPage(await open(other))).toBe(true);
  });

  test('is asked for, with the words and limits of every sign-in (SP-39)', async () => {
    const { who } = await atAccount();
    const person = createHttpPerson();
    const page = await open(person);
    expect(page.url.pathname).toBe('/account/sign-in');
    const refused = await person.submit(page, { email: who.email, password: 'wrong', action: 'login' });
    expect(refused.answer.status).toBe(400);
    expect(words(refused)).toContain('That did not work');
    expect(await recorded(who, 'user.signed_in')).toMatchObject([{ outcome: 'denied' }, { outcome: 'success' }]);
  });

  test('no page can be framed, scripted or kept (AS-12)', async () => {
    const { page } = await atAccount();
    for (const { answer } of [page, await open(createHttpPerson())]) {
      expect(answer.headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
      expect(answer.headers['x-frame-options']).toBe('DENY');
      expect(answer.headers['cache-control']).toContain('no-store');
      expect(answer.text).not.toMatch(/<script|javascript:|\son[a-z]+=/i);
    }
  });
});

describe('what is connected (SP-12)', () => {
  test('is shown by app and installation: name, who vouches for it, where, what, since when, last used', async () => {
    const { who, person } = await atAccount();
    expect(words(await open(person))).toContain('No app may act in your name');
    const first = await connect(target, local, { person, who, scope: 'desk:read' });
    await connect(target, local, { person, who });
    await connect(target, { id: PINNED, secret: undefined, redirectUri: web.redirectUri }, { person, who });
    const text = words(await open(person));
    expect(text).toMatch(/Local helper App from unverified .* Connected 2 times/);
    expect(text).toMatch(/Pinned helper App from pinned.example Allowed/);
    expect(text).toContain(server.mcpUrl);
    expect(text).toContain('Search and read tickets and customers');
    expect(text).not.toContain('not yet');

    const used = async () => {
      const grant = await server.database.prisma.grant.findUnique({ where: { id: first.grantId } });
      return grant?.lastUsedAt?.getTime() ?? 0;
    };
    const atExchange = await used();
    expect(atExchange).toBeGreaterThan(0);
    const next = await refresh(target, local, { token: first.refresh });
    expect(await used()).toBe(atExchange);
    // The engine's clock cannot be moved: the row gets older instead.
    const lastUsedAt = new Date(atExchange - 61_000);
    await server.database.prisma.grant.update({ where: { id: first.grantId }, data: { lastUsedAt } });
    expect((await refresh(target, local, { token: String(next.json?.refresh_token) })).status).toBe(200);
    expect(await used()).toBeGreaterThanOrEqual(atExchange);
  });

  test('one installation is disconnected, and the other goes on', async () => {
    const { who, person } = await atAccount();
    const [first, second] = [
      await connect(target, local, { person, who }),
      await connect(target, local, { person, who }),
    ];
    const done = await act(person, await open(person), { path: `${first.grantId}/disconnect`, action: 'revoke' });
    expect(words(done)).toContain('Disconnected.');
    expect(words(await open(person))).not.toContain('Disconnected.');
    expect((await refresh(target, local, { token: first.refresh })).json?.error).toBe('invalid_grant');
    expect((await refresh(target, local, { token: second.refresh })).status).toBe(200);
    expect(await recorded(who, 'grant.revoked')).toMatchObject([
      { outcome: 'success', client: local.id, detail: { grantId: first.grantId, by: 'account page' } },
    ]);
  });

  test('SP-16: after that the app has to ask again', async () => {
    const { who, person } = await atAccount();
    const { grantId } = await connect(target, web, { person, who });
    const request = () => authorizationRequest(target, web, { scope: 'desk:read desk:write' }).url;
    expect((await person.open(request())).kind).toBe('left');
    await act(person, await open(person), { path: `${grantId}/disconnect` });
    expect(asks(await person.open(request()), 'approve')).toBe(true);
  });

  test('all of one app are disconnected, then every app', async () => {
    const { who, person } = await atAccount();
    const locals = [await connect(target, local, { person, who }), await connect(target, local, { person, who })];
    const other = await connect(target, web, { person, who });
    await act(person, await open(person), { path: '/apps/disconnect' });
    for (const { refresh: token } of locals)
      expect((await refresh(target, local, { token })).json?.error).toBe('invalid_grant');
    const rotated = await refresh(target, web, { token: other.refresh });
    expect(rotated.status).toBe(200);

    await connect(target, local, { person, who });
    const done = await act(person, await open(person), { path: '/connections/disconnect' });
    expect(words(done)).toContain('No app may act in your name');
    expect((await refresh(target, web, { token: String(rotated.json?.refresh_token) })).status).toBe(400);
  });
});

describe('an app that is allowed less', () => {
  test('gets no more than that with its next token, and cannot ask it back', async () => {
    const { who, person } = await atAccount();
    const { grantId, refresh: token, scope } = await connect(target, local, { person, who });
    expect(scope).toBe('desk:read desk:write');
    const done = await act(person, await open(person), { path: `${grantId}/scopes`, scope: ['desk:read'] });
    expect(words(done)).toContain('Saved.');
    expect(words(done)).not.toContain('Reply to tickets in your name');

    const back = await refresh(target, local, { token, scope: 'desk:read desk:write' });
    expect([back.status, back.json?.error]).toEqual([400, 'invalid_scope']);
    const next = await refresh(target, local, { token });
    expect(next.json?.scope).toBe('desk:read');
    expect(readToken(String(next.json?.access_token)).claims.scope).toBe('desk:read');
    expect(await recorded(who, 'grant.narrowed')).toMatchObject([
      { client: local.id, resource: server.mcpUrl, detail: { grantId, kept: 'desk:read', removed: 'desk:write' } },
    ]);
  });

  test('SP-16: is asked about again when it wants more, though that was agreed to before', async () => {
    const { who, person } = await atAccount();
    const { grantId } = await connect(target, web, { person, who });
    const request = () => authorizationRequest(target, web, { scope: 'desk:read desk:write' }).url;
    expect((await person.open(request())).kind).toBe('left');
    await act(person, await open(person), { path: `${grantId}/scopes`, scope: ['desk:read'] });
    expect(asks(await person.open(request()), 'approve')).toBe(true);
  });

  test('a code that is still on its way brings no more either', async () => {
    const { who, person } = await atAccount();
    const { url, verifier } = authorizationRequest(target, local, { scope: 'desk:read desk:write' });
    const back = await person.authorize(url, who);
    const page = await open(person);
    const [grant] = await server.database.prisma.grant.findMany({ where: { userId: who.userId } });
    await act(person, page, { path: `${grant?.id}/scopes`, scope: ['desk:read'] });
    const answer = await redeem(target, local, { code: { code: back.searchParams.get('code') ?? '', verifier } });
    expect(answer.json?.scope).toBe('desk:read');
  });

  test('keeps at least one permission: to take the last one is to disconnect', async () => {
    const { who, person } = await atAccount();
    const { grantId, refresh: token } = await connect(target, local, { person, who });
    const refused = await act(person, await open(person), { path: `${grantId}/scopes`, scope: [] });
    expect(refused.answer.status).toBe(400);
    expect(words(refused)).toContain('Leave at least one thing ticked');
    expect((await refresh(target, local, { token })).json?.scope).toBe('desk:read desk:write');
  });
});

describe('where one is signed in', () => {
  test('is shown in plain words, this browser first', async () => {
    const { who, person } = await atAccount({ headers: { 'user-agent': FIREFOX } });
    const phone = createHttpPerson({ headers: { 'user-agent': PHONE }, fromAddress: '127.0.0.9' });
    await connect(target, local, { person: phone, who });
    const text = words(await open(person));
    expect(text).toMatch(/Firefox on Linux this browser .*Safari on iPhone .*127\.0\.0\.9/);
    expect(words(await open(phone))).toMatch(/Safari on iPhone this browser .*Firefox on Linux/);
  });

  test('another browser is signed out, one or all of them; their apps go on', async () => {
    const { who, person } = await atAccount();
    const others = [createHttpPerson(), createHttpPerson(), createHttpPerson()];
    for (const other of others) await signInAtAccount(server.issuer, other, who);
    const [first, second, third] = others;
    if (!first || !second || !third) throw new Error('no others');
    const { refresh: token } = await connect(target, local, { person: first, who });

    const page = await open(person);
    const ends = (page.kind === 'page' ? page.forms : []).filter(({ action }) => action.pathname.endsWith('/end'));
    expect(ends).toHaveLength(3);
    await person.submit(page, { action: 'end' }, (form) => form === ends[0]);
    const stillIn = async () => Promise.all(others.map(async (other) => isAccountPage(await open(other))));
    expect((await stillIn()).filter(Boolean)).toHaveLength(2);

    const done = await act(person, await open(person), { path: '/end-others' });
    expect(words(done)).toContain('signed out everywhere else');
    expect(await stillIn()).toEqual([false, false, false]);
    expect(isAccountPage(await open(person))).toBe(true);
    expect(asks(await second.open(authorizationRequest(target, local).url), 'login')).toBe(true);
    expect((await refresh(target, local, { token })).status).toBe(200);
    expect(await recorded(who, 'user.signed_out')).toHaveLength(2);
  });

  test('signing out ends the session here, and leaves the apps', async () => {
    const { who, person } = await atAccount();
    const { refresh: token } = await connect(target, local, { person, who });
    const done = await act(person, await open(person), { path: '/sign-out', action: 'sign-out' });
    expect(words(done)).toContain('You are signed out');
    expect(isAccountPage(await open(person))).toBe(false);
    expect(asks(await person.open(authorizationRequest(target, local).url), 'login')).toBe(true);
    expect((await refresh(target, local, { token })).status).toBe(200);
  });

  test('SP-12: beside it stands "Sign out and disconnect every app"', async () => {
    const { who, person } = await atAccount();
    const { refresh: token } = await connect(target, local, { person, who });
    const page = await open(person);
    expect(words(page)).toContain('Sign out and disconnect every app');
    await act(person, page, { path: '/sign-out', action: 'disconnect-and-sign-out' });
    expect(isAccountPage(await open(person))).toBe(false);
    expect((await refresh(target, local, { token })).json?.error).toBe('invalid_grant');
  });
});

describe('SP-12: a new password', () => {
  test('from the account page closes all that was open, but for this browser', async () => {
    const { who, person } = await atAccount();
    const other = createHttpPerson();
    const { refresh: token } = await connect(target, local, { person: other, who });
    const link = await passwordLink(server, who.userId);
    const password = 'a heron on the weir';
    const page = await open(person);

    for (const [wrong, status, says] of [
      [{ current_password: 'not this one', password }, 400, 'not your present password'],
      [{ current_password: who.password, password: 'short' }, 400, 'at least 10 characters'],
    ] as const) {
      const refused = await act(person, page, { path: '/password', ...wrong });
      expect([refused.answer.status, words(refused)]).toEqual([status, expect.stringContaining(says)]);
    }
    expect(isAccountPage(await open(other))).toBe(true);

    const done = await act(person, page, { path: '/password', current_password: who.password, password });
    expect(words(done)).toContain('Your password is changed');
    expect(words(done)).toContain('No app may act in your name');
    expect(isAccountPage(await open(other))).toBe(false);
    expect((await refresh(target, local, { token })).json?.error).toBe('invalid_grant');
    expect((await createHttpPerson().open(link)).answer.status).toBe(410);
    expect(isAccountPage(await signInAtAccount(server.issuer, createHttpPerson(), who))).toBe(false);
    expect(isAccountPage(await signInAtAccount(server.issuer, createHttpPerson(), { ...who, password }))).toBe(true);
    const [record] = await recorded(who, 'user.password_set');
    expect(record).toMatchObject({
      outcome: 'success',
      detail: { by: 'account page', signIns: 2, grants: 1, links: 1 },
    });
  });

  test('by a one-time link closes all that was open, other links too, and says so', async () => {
    const { who, person } = await atAccount();
    const { refresh: token } = await connect(target, local, { person, who });
    const [link, other] = [await passwordLink(server, who.userId), await passwordLink(server, who.userId)];
    expect(words(await setPassword(link, 'a heron on the weir'))).toContain('every app is disconnected');
    expect(isAccountPage(await open(person))).toBe(false);
    expect((await refresh(target, local, { token })).json?.error).toBe('invalid_grant');
    expect((await createHttpPerson().open(other)).answer.status).toBe(410);
    expect((await recorded(who, 'user.password_set'))[0]).toMatchObject({
      detail: { by: 'one-time link', signIns: 1, grants: 1, links: 1 },
    });
  });

  test('a user who is disabled is out at once, and not back in when enabled again', async () => {
    const { who, person } = await atAccount();
    const { refresh: token } = await connect(target, local, { person, who });
    const { access } = await adminTokens(target);
    for (const change of ['disable', 'enable']) {
      const path = `/users/${who.userId}/${change}`;
      expect((await callAdmin(server.issuer, { token: access, method: 'POST', path })).status).toBe(200);
      expect(isAccountPage(await open(person))).toBe(false);
      expect(asks(await person.open(authorizationRequest(target, local).url), 'login')).toBe(true);
      expect((await refresh(target, local, { token })).json?.error).toBe('invalid_grant');
    }
    expect((await createUserStore(server.database).findById(who.userId))?.disabledAt).toBeNull();
    expect(isAccountPage(await signInAtAccount(server.issuer, person, who))).toBe(true);
  });
});

// Last, since the clock does not go back.
test('a sign-in that has expired is not shown, and its row goes', async () => {
  const { who, person } = await atAccount();
  const row = () => server.database.prisma.signIn.count({ where: { userId: who.userId } });
  expect(await row()).toBe(1);
  server.pass(25 * 3600);
  expect(isAccountPage(await open(person))).toBe(false);
  await server.clean();
  expect(await row()).toBe(0);
});
