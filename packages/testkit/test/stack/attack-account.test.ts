import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog, dumpTables } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, Step } from '../../src/index.ts';
import { asks, createHttpPerson, sendRaw } from '../../src/index.ts';
import type { Member } from './support/account.ts';
import {
  act,
  connect,
  cookiesOf,
  formTokenOf,
  isAccountPage,
  join,
  passwordLink,
  post,
  refresh,
  setPassword,
  signInAtAccount,
  words,
} from './support/account.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, redeem, registerClient, targetOf } from './support/authorization.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const NEW_PASSWORD = 'a heron on the weir';

let testDatabase: TestDatabase;
let server: InProcess;
let target: Target;
let client: TestClient;
let nth = 0;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
  target = await targetOf(server);
  client = await registerClient(target);
});

afterAll(async () => {
  await server?.close();
  await testDatabase?.drop();
});

/** Somebody new who is signed in; from an address of their own, so that no test uses up another one's tries. */
async function someone() {
  const n = nth++;
  const who = await join(server, `member-${n}@example.com`);
  const person = createHttpPerson({ fromAddress: `127.0.1.${n + 1}` });
  const page = await signInAtAccount(server.issuer, person, who);
  expect(isAccountPage(page)).toBe(true);
  return { who, person, page };
}

const open = (person: HttpPerson) => person.open(`${server.issuer}/account`);

/** What the account page answers to somebody who holds these cookies. */
const openWith = (cookie: string) => sendRaw(`${server.issuer}/account`, { headers: { cookie } });

function hasForm(step: Step, path: string): boolean {
  return step.kind === 'page' && step.forms.some(({ action }) => action.pathname === `/account${path}`);
}

/** Whether an authorization with these cookies asks for the password. */
async function asksPassword(cookie: string): Promise<boolean> {
  const answer = await sendRaw(authorizationRequest(target, client).url, { headers: { cookie } });
  const next = await sendRaw(new URL(answer.headers.location ?? '', server.issuer), {
    headers: { cookie: [cookie, ...(answer.headers['set-cookie'] ?? []).map((line) => line.split(';')[0])].join('; ') },
  });
  expect(next.status).toBe(200);
  return next.text.includes('value="login"');
}

async function expectWorthless(cookie: string): Promise<void> {
  expect(await openWith(cookie)).toMatchObject({
    status: 303,
    headers: { location: `${server.issuer}/account/sign-in` },
  });
  expect(await asksPassword(cookie)).toBe(true);
}

async function expectConnected(token: string): Promise<void> {
  expect((await refresh(target, client, { token })).status).toBe(200);
}

describe("somebody else's account", () => {
  test('an app of theirs cannot be disconnected or narrowed: it is answered like one that is not there', async () => {
    const victim = await someone();
    const { grantId, refresh: token } = await connect(target, client, victim);
    const attacker = await someone();
    const own = await connect(target, client, attacker);
    const page = await open(attacker.person);
    const cookie = cookiesOf(server, attacker.person);
    const texts = new Set<string>();
    for (const path of ['disconnect', 'scopes']) {
      const form_token = formTokenOf(page, `${own.grantId}/${path}`);
      for (const id of [grantId, 'no-such-grant', own.grantId.toLowerCase()]) {
        const fields = { form_token, resource: server.mcpUrl, scope: 'desk:read' };
        const answer = await post(server, `/connections/${id}/${path}`, { cookie, fields });
        expect(answer.status).toBe(404);
        texts.add(answer.text.replace(/<code class="whole">[^<]*/, ''));
      }
    }
    expect(texts.size).toBe(1);
    const theirs = formTokenOf(await open(victim.person), `${grantId}/disconnect`);
    const fields = { form_token: theirs };
    expect((await post(server, `/connections/${grantId}/disconnect`, { cookie, fields })).status).toBe(404);
    await expectConnected(token);
    await expectConnected(own.refresh);
  });

  test('a sign-in of theirs cannot be ended, nor their apps by the name of the app', async () => {
    const victim = await someone();
    const { refresh: token } = await connect(target, client, victim);
    const attacker = await someone();
    const second = createHttpPerson();
    await signInAtAccount(server.issuer, second, attacker.who);
    await connect(target, client, attacker);
    await connect(target, client, attacker);
    const page = await open(attacker.person);
    const cookie = cookiesOf(server, attacker.person);
    const [theirs] = await server.database.prisma.signIn.findMany({ where: { userId: victim.who.userId } });
    for (const id of [theirs?.id, 'no-such-sign-in']) {
      const fields = { form_token: formTokenOf(page, '/end') };
      expect((await post(server, `/sign-ins/${id}/end`, { cookie, fields })).status).toBe(404);
    }
    await act(attacker.person, page, { path: '/apps/disconnect', client: client.id });
    expect(isAccountPage(await open(victim.person))).toBe(true);
    await expectConnected(token);
  });
});

describe('a form of the account page', () => {
  const PATHS = ['/sign-out', '/password', '/apps/disconnect', '/connections/disconnect', '/sign-ins/end-others'];

  test('without its token, with that of another form, of another sign-in or of another person does nothing', async () => {
    const victim = await someone();
    const { refresh: token, grantId } = await connect(target, client, victim);
    // Several installations and several apps, so that the page has every form.
    await connect(target, client, victim);
    await connect(target, await registerClient(target, { client_name: 'Another' }), victim);
    const other = createHttpPerson();
    await signInAtAccount(server.issuer, other, victim.who);
    const page = await open(victim.person);
    const attacker = await someone();
    const cookie = cookiesOf(server, victim.person);
    for (const path of [...PATHS, `/connections/${grantId}/disconnect`, `/connections/${grantId}/scopes`]) {
      const elsewhere = path === '/sign-out' ? '/password' : '/sign-out';
      const shownToOthers = [await open(other), attacker.page].flatMap((step) =>
        hasForm(step, path) ? [formTokenOf(step, path)] : [],
      );
      // The same person's other browser is shown the same form, with a token of its own.
      expect(shownToOthers.length).toBeGreaterThan(0);
      const forged = ['', 'x', formTokenOf(page, elsewhere), ...shownToOthers];
      for (const form_token of forged) {
        const fields = { form_token, client: client.id, action: 'revoke', scope: 'desk:read' };
        expect([path, (await post(server, path, { cookie, fields })).status]).toEqual([path, 400]);
      }
      expect((await post(server, path, { cookie, fields: {} })).status).toBe(400);
    }
    expect(isAccountPage(await open(victim.person))).toBe(true);
    expect(isAccountPage(await open(other))).toBe(true);
    await expectConnected(token);
  });

  test('that another site sends does nothing', async () => {
    const { person, page } = await someone();
    const cookie = cookiesOf(server, person);
    const fields = { form_token: formTokenOf(page, '/sign-out') };
    for (const headers of [
      { origin: 'https://attacker.example' },
      { origin: 'null' },
      { origin: server.issuer, 'sec-fetch-site': 'cross-site' },
      { origin: server.issuer, 'sec-fetch-site': 'same-site' },
    ]) {
      expect((await post(server, '/sign-out', { cookie, fields, headers: { ...headers } })).status).toBe(403);
    }
    expect(isAccountPage(await open(person))).toBe(true);
  });

  test('without a sign-in leads to the sign-in', async () => {
    const { page } = await someone();
    const fields = { form_token: formTokenOf(page, '/sign-out') };
    for (const path of PATHS) {
      const answer = await post(server, path, { cookie: undefined, fields });
      expect([answer.status, answer.headers.location]).toEqual([303, `${server.issuer}/account/sign-in`]);
    }
  });

  test('the address of the server itself leads there', async () => {
    const answer = await sendRaw(`${server.issuer}/`);
    expect([answer.status, answer.headers.location]).toEqual([303, `${server.issuer}/account`]);
  });

  test('sent twice is fine, and by eight at once too', async () => {
    for (let round = 0; round < rounds(10); round++) {
      const { who, person } = await someone();
      const { grantId, refresh: token } = await connect(target, client, { person, who });
      const page = await open(person);
      const path = `${grantId}/disconnect`;
      const answers = await Promise.all(
        Array.from({ length: 8 }, () =>
          post(server, `/connections/${path}`, {
            cookie: cookiesOf(server, person),
            fields: { form_token: formTokenOf(page, path) },
          }),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(303));
      expect(words(await act(person, page, { path }))).toContain('Disconnected.');
      expect((await refresh(target, client, { token })).json?.error).toBe('invalid_grant');
      expect(await recorded(who, 'grant.revoked')).toHaveLength(1);
    }
  });

  test('eight that allow less, at once: what is left is what all of them left', async () => {
    const { who, person } = await someone();
    const { grantId, refresh: token } = await connect(target, client, {
      person,
      who,
      scope: 'desk:read desk:write desk:admin',
    });
    const page = await open(person);
    const path = `${grantId}/scopes`;
    const send = (scope: string) =>
      sendRaw(`${server.issuer}/account/connections/${path}`, {
        body: new URLSearchParams([
          ['form_token', formTokenOf(page, path)],
          ['resource', server.mcpUrl],
          ...scope.split(' ').map((one): [string, string] => ['scope', one]),
        ]),
        headers: { origin: server.issuer, cookie: cookiesOf(server, person) },
      });
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => send(n % 2 ? 'desk:read desk:write' : 'desk:read desk:admin')),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(303));
    // An old page cannot give back what is gone, nor can a forged field add anything.
    expect((await send('desk:read desk:write desk:admin admin:users')).status).toBe(303);
    expect((await refresh(target, client, { token })).json?.scope).toBe('desk:read');
    expect(
      (
        await post(server, `/connections/${path}`, {
          cookie: cookiesOf(server, person),
          fields: { form_token: formTokenOf(page, path), resource: 'https://elsewhere.example', scope: 'desk:read' },
        })
      ).status,
    ).toBe(404);
  });

  test('no link makes the page say that something was done', async () => {
    const { person } = await someone();
    const step = await person.open(`${server.issuer}/account?notice=password-changed&done=password-changed`);
    expect(words(step)).not.toContain('Your password is changed');
    const cookie = `${cookiesOf(server, person)}; portcullis-notice=__proto__`;
    expect((await openWith(cookie)).status).toBe(200);
  });
});

describe('a session', () => {
  test('that was planted before the sign-in is worth nothing after it', async () => {
    const attacker = await someone();
    const planted = cookiesOf(server, attacker.person);
    const victim = await join(server, `victim-${nth++}@example.com`);
    const person = createHttpPerson();
    person.cookies.store(
      new URL(server.issuer),
      planted.split('; ').map((pair) => `${pair}; path=/`),
    );
    // The victim sees an account that is not theirs, signs out of it or not, and signs in.
    const form = await person.open(`${server.issuer}/account`);
    expect(words(form)).toContain(attacker.who.email);
    await act(person, form, { path: '/sign-out', action: 'sign-out' });
    person.cookies.store(
      new URL(server.issuer),
      planted.split('; ').map((pair) => `${pair}; path=/`),
    );
    expect(isAccountPage(await signInAtAccount(server.issuer, person, victim))).toBe(true);
    expect(cookiesOf(server, person)).not.toBe(planted);
    await expectWorthless(planted);
  });

  test('of somebody who is signed in is replaced when another one signs in over it', async () => {
    const attacker = await someone();
    const planted = cookiesOf(server, attacker.person);
    const victim = await join(server, `victim-${nth++}@example.com`);
    const person = createHttpPerson();
    const early = await person.open(`${server.issuer}/account/sign-in`);
    person.cookies.store(
      new URL(server.issuer),
      planted.split('; ').map((pair) => `${pair}; path=/`),
    );
    const page = await person.submit(early, { email: victim.email, password: victim.password, action: 'login' });
    expect(words(page)).toContain(victim.email);
    await expectWorthless(planted);
  });

  test('cannot be begun by a form from another browser: nobody is signed in as somebody else', async () => {
    const attacker = await join(server, `attacker-${nth++}@example.com`);
    const [theirs, victim] = [createHttpPerson(), createHttpPerson()];
    const [form, own] = [await open(theirs), await open(victim)];
    const fields = { email: attacker.email, password: attacker.password, action: 'login' };
    for (const [cookie, form_token] of [
      [cookiesOf(server, victim), formTokenOf(form, '/sign-in')],
      [undefined, formTokenOf(form, '/sign-in')],
      [cookiesOf(server, victim), ''],
    ] as const) {
      const answer = await post(server, '/sign-in', { cookie, fields: { ...fields, form_token } });
      expect([answer.status, answer.headers['set-cookie']]).toEqual([400, undefined]);
    }
    const good = { ...fields, form_token: formTokenOf(own, '/sign-in') };
    expect((await post(server, '/sign-in', { cookie: cookiesOf(server, victim), fields: good })).status).toBe(303);
  });

  test('cookie that was signed out cannot be used again', async () => {
    const { person, page } = await someone();
    const cookie = cookiesOf(server, person);
    await act(person, page, { path: '/sign-out', action: 'sign-out' });
    await expectWorthless(cookie);
  });

  test('cookie that was stolen is worth nothing after "sign out everywhere else"', async () => {
    const { who, person } = await someone();
    const thief = createHttpPerson();
    await signInAtAccount(server.issuer, thief, who);
    const stolen = cookiesOf(server, thief);
    const page = await open(thief);
    await act(person, await open(person), { path: '/end-others' });
    await expectWorthless(stolen);
    const fields = { form_token: formTokenOf(page, '/end-others') };
    expect((await post(server, '/sign-ins/end-others', { cookie: stolen, fields })).status).toBe(303);
    expect(isAccountPage(await open(person))).toBe(true);
  });

  test('cookie that was stolen from this very browser is worth nothing after a new password', async () => {
    const { who, person, page } = await someone();
    const stolen = cookiesOf(server, person);
    const form_token = formTokenOf(page, '/sign-out');
    const done = await act(person, page, {
      path: '/password',
      current_password: who.password,
      password: NEW_PASSWORD,
    });
    expect(isAccountPage(done)).toBe(true);
    await expectWorthless(stolen);
    // A form that the old session was shown means nothing for the new one.
    const replay = await post(server, '/sign-out', { cookie: cookiesOf(server, person), fields: { form_token } });
    expect(replay.status).toBe(400);
  });

  test('that the engine saves again after it was ended stays ended', async () => {
    const { who, person } = await someone();
    const { prisma } = server.database;
    const where = { model: 'Session', userId: who.userId };
    const row = await prisma.engineRecord.findFirstOrThrow({ where });
    const cookie = cookiesOf(server, person);
    const second = createHttpPerson();
    await act(second, await signInAtAccount(server.issuer, second, who), { path: '/end-others' });
    expect(await prisma.engineRecord.findFirst({ where: { ...where, id: row.id } })).toBeNull();
    // What a request does that had loaded the session before.
    await prisma.engineRecord.create({ data: row });
    await expectWorthless(cookie);
  });

  test('SP-21: its cookies are out of reach of scripts and of other sites', async () => {
    const who = await join(server, `cookies-${nth++}@example.com`);
    const person = createHttpPerson();
    const form = await open(person);
    const answer = await post(server, '/sign-in', {
      cookie: cookiesOf(server, person),
      fields: { form_token: formTokenOf(form, '/sign-in'), email: who.email, password: who.password, action: 'login' },
    });
    const lines = [...(form.answer.headers['set-cookie'] ?? []), ...(answer.headers['set-cookie'] ?? [])];
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toMatch(/(?=.*; httponly)(?=.*; samesite=lax)/i);
  });
});

test.each([0, 1])(
  'SP-21: behind TLS with PORTCULLIS_TRUST_PROXY=%i every cookie is __Host- and Secure',
  async (proxies) => {
    const issuer = 'https://login.example.com';
    const key = Buffer.alloc(32, 7).toString('base64url');
    const env = { PORTCULLIS_TRUST_PROXY: String(proxies), PORTCULLIS_MASTER_KEY: key };
    const secure = await startInProcess({ databaseUrl: testDatabase.url, issuer, env });
    try {
      const host = new URL(issuer).host;
      const at = `http://localhost:${secure.port}`;
      const who = await join(server, `tls-${proxies}@example.com`);
      const form = await sendRaw(`${at}/account/sign-in`, { headers: { host } });
      const [, formToken = ''] = /name="form_token" value="([^"]+)"/.exec(form.text) ?? [];
      const [nonce = ''] = form.headers['set-cookie'] ?? [];
      const answer = await sendRaw(`${at}/account/sign-in`, {
        body: new URLSearchParams({ form_token: formToken, email: who.email, password: who.password, action: 'login' }),
        headers: { host, origin: issuer, cookie: nonce.split(';')[0] ?? '' },
      });
      expect([form.status, answer.status, answer.headers.location]).toEqual([200, 303, `${issuer}/account`]);
      const lines = [nonce, ...(answer.headers['set-cookie'] ?? [])];
      expect(lines.find((line) => line.startsWith('__Host-portcullis='))).toBeDefined();
      for (const line of lines) expect(line).toMatch(/(?=.*; secure)(?=.*; httponly)(?=.*; samesite=lax)/i);
      for (const line of lines.filter((one) => one.startsWith('__Host-'))) expect(line).toMatch(/; path=\/;/);
      const names = lines.map((line) => line.split('=')[0]);
      expect(names.filter((name) => !name?.startsWith('__Host-'))).toEqual([]);
    } finally {
      await secure.close();
    }
  },
);

describe('SP-12: a new password', () => {
  const change = (person: HttpPerson, page: Step, who: Member, password = NEW_PASSWORD) =>
    act(person, page, { path: '/password', current_password: who.password, password });

  test('of eight at once with the old one, one is set', async () => {
    const { who, person, page } = await someone();
    const cookie = cookiesOf(server, person);
    const form_token = formTokenOf(page, '/password');
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        post(server, '/password', {
          cookie,
          fields: { form_token, current_password: who.password, password: `${NEW_PASSWORD} ${n}` },
        }),
      ),
    );
    expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
    const signedIn = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const other = createHttpPerson({ fromAddress: `127.0.2.${n + 1}` });
        return isAccountPage(await signInAtAccount(server.issuer, other, { ...who, password: `${NEW_PASSWORD} ${n}` }));
      }),
    );
    expect(signedIn.filter(Boolean)).toHaveLength(1);
    const set = (await recorded(who, 'user.password_set')).filter(({ outcome }) => outcome === 'success');
    // The first one was by the link of the invitation.
    expect(set).toHaveLength(2);
  });

  test('voids a one-time link that somebody has open, and one that was never followed', async () => {
    const { who, person, page } = await someone();
    const attacker = createHttpPerson();
    const form = await attacker.open(await passwordLink(server, who.userId));
    const unopened = await passwordLink(server, who.userId);
    await change(person, page, who);
    expect((await attacker.submit(form, { password: 'the choice of a thief' })).answer.status).toBe(410);
    expect((await createHttpPerson().open(unopened)).answer.status).toBe(410);
    const again = await signInAtAccount(server.issuer, createHttpPerson(), { ...who, password: NEW_PASSWORD });
    expect(isAccountPage(again)).toBe(true);
  });

  test('is not enough for a sign-in that was on its way with the old one', async () => {
    const { who, person, page } = await someone();
    const thief = createHttpPerson();
    const { url } = authorizationRequest(target, client);
    const login = await thief.open(url);
    const [form] = login.kind === 'page' ? login.forms : [];
    if (!form) throw new Error('no form');
    const body = new URLSearchParams([
      ...form.defaults.filter(([name]) => name === 'form_token'),
      ['email', who.email],
      ['password', who.password],
      ['action', 'login'],
    ]);
    const cookie = () => thief.cookies.header(form.action) ?? '';
    const answered = await sendRaw(form.action, { body, headers: { origin: server.issuer, cookie: cookie() } });
    expect(answered.status).toBe(303);
    await change(person, page, who);

    const next = await thief.open(new URL(answered.headers.location ?? '', server.issuer));
    expect(next.answer.status === 200 && asks(next, 'approve')).toBe(false);
    expect(isAccountPage(await open(thief))).toBe(false);
  });

  test('is not enough for a code that was on its way: neither code nor grant come back by being written late', async () => {
    const { who, person } = await someone();
    const thief = createHttpPerson();
    const { url, verifier } = authorizationRequest(target, client);
    const back = await thief.authorize(url, who);
    const { prisma } = server.database;
    const where = { userId: who.userId };
    const [grant, code] = [
      await prisma.grant.findFirstOrThrow({ where }),
      await prisma.authorizationCode.findFirstOrThrow({ where }),
    ];
    await change(person, await open(person), who);
    expect(await prisma.grant.count({ where })).toBe(0);
    await prisma.grant.create({ data: grant });
    await prisma.authorizationCode.create({ data: code });
    const answer = await redeem(target, client, { code: { code: back.searchParams.get('code') ?? '', verifier } });
    expect([answer.status, answer.json?.error]).toEqual([400, 'invalid_grant']);
  });

  test('SP-39: the present one cannot be guessed in front of an open session', async () => {
    const { who, person, page } = await someone();
    const statuses: number[] = [];
    for (let n = 0; n < 11; n++) {
      const guess = { path: '/password', current_password: `guess ${n}`, password: NEW_PASSWORD };
      statuses.push((await act(person, page, guess)).answer.status);
    }
    expect(statuses).toEqual([...Array(10).fill(400), 429]);
    const right = await change(person, page, who);
    expect(right.answer.status).toBe(429);
    const elsewhere = createHttpPerson();
    expect(isAccountPage(await signInAtAccount(server.issuer, elsewhere, who))).toBe(true);
    const events = await recorded(who, 'user.password_set');
    expect(events[0]).toMatchObject({ outcome: 'denied', detail: { reason: 'too many failures' } });
    expect(JSON.stringify(events)).not.toMatch(/guess|heron/);
  });

  test('SP-8: no password or session value stands in a table', async () => {
    const { who, person, page } = await someone();
    await change(person, page, who);
    const session = cookiesOf(server, person).match(/portcullis=([^;]+)/)?.[1] ?? '';
    expect(session.length).toBeGreaterThan(20);
    const dump = await dumpTables(server.database);
    for (const secret of [session, NEW_PASSWORD, who.password]) expect(dump).not.toContain(secret);
  });
});

async function recorded(who: Member, type: string) {
  return createAuditLog(server.database).list({ subject: who.userId, type });
}

test('a link of before cannot undo a new password (SP-12)', async () => {
  const { who } = await someone();
  const [first, second] = [await passwordLink(server, who.userId), await passwordLink(server, who.userId)];
  expect((await setPassword(first, NEW_PASSWORD)).answer.status).toBe(200);
  expect((await createHttpPerson().open(second)).answer.status).toBe(410);
});
