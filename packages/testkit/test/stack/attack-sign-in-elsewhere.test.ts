import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createLinkedIdentityStore, createUserStore, dumpTables } from '@portcullis/persistence';
import type { HttpPerson, Step } from '../../src/index.ts';
import { asks, createHttpPerson, pollUntil, sendRaw } from '../../src/index.ts';
import { act, isAccountPage, join, passwordLink, setPassword, signInAtAccount, words } from './support/account.ts';
import { COMMAND_LINE, callAdmin } from './support/administration.ts';
import { authorizationRequest, redeem, registerClient, type TestClient, tokensOf } from './support/authorization.ts';
import { OWNER } from './support/owner.ts';
import { askForToken, type Holder, makeToken } from './support/personal-access-tokens.ts';
import { sendBytes } from './support/raw-bytes.ts';
import { choose, type Federated, goThere, signInThrough, startFederated, TENANT } from './support/sign-in-elsewhere.ts';
import { answerThere } from './support/upstream.ts';

let federated: Federated;
beforeAll(async () => {
  federated = await startFederated();
});
afterAll(() => federated?.stop());
beforeEach(() => federated.third.misbehave({}));

/** Where no service of the configuration sends anybody back to, as it stands in an address. */
const NO_SERVICES = [
  'nobody',
  'ELSEWHERE',
  'sign-in:elsewhere',
  'sign-in%3Aelsewhere',
  '__proto__',
  'constructor',
  '%00',
  'elsewhere%00',
  '%2e%2e',
  '%zz',
  '%ff',
  'x'.repeat(8000),
];

/** A name that nobody has at the third party yet. */
const newAccount = () => `person${randomUUID().replaceAll(/[^a-z]/g, '')}`;
const saying = (claims: Record<string, unknown>) => federated.third.misbehave({ claims });
const verified = (email: string, more: object = {}) => saying({ email, email_verified: true, ...more });
const users = () => createUserStore(federated.server.database);
const identities = () => createLinkedIdentityStore(federated.server.database);
const identityOf = (account: string) => ({ issuer: federated.third.issuer, subject: `id-of-${account}` });

/** Links an account there to somebody here. */
async function linked(account: string, userId: string): Promise<void> {
  await identities().link({ ...identityOf(account), userId, now: new Date() });
}

/** Whoever is signed in at a browser. */
async function whoIs(person: HttpPerson): Promise<string | undefined> {
  const page = await person.open(`${federated.server.issuer}/account`);
  return isAccountPage(page) ? (/[\w.+-]+@[\w.-]+/.exec(words(page)) ?? [])[0] : undefined;
}

/** Opens an authorization as far as the first page of ours. */
async function openLogin(client: TestClient, person: HttpPerson): Promise<Step> {
  return person.open(authorizationRequest(federated.target, client).url);
}

/** Signs the owner in for administration, with their password. */
async function administration(scope = 'admin:users'): Promise<{ access: string }> {
  const { issuer } = federated.server;
  const resource = `${issuer}/admin`;
  const person = createHttpPerson();
  await signInAtAccount(issuer, person, OWNER);
  const { url, verifier } = authorizationRequest(federated.target, COMMAND_LINE, { resource, scope });
  const left = await person.submit(await person.open(url), { action: 'approve', scope });
  const code = { code: left.url.searchParams.get('code') ?? '', verifier };
  return tokensOf(await redeem(federated.target, COMMAND_LINE, { code, changes: { resource } }));
}

describe('signing in with an account elsewhere', () => {
  test('leads to our own consent for the client, and to a code only after it', async () => {
    const who = await join(federated.server, `${newAccount()}@example.com`);
    const account = newAccount();
    await linked(account, who.userId);
    const person = createHttpPerson();
    const client = await registerClient(federated.target, { client_name: 'Helper' });
    const page = await openLogin(client, person);
    expect(words(page)).toContain('Continue with Third Party');
    expect(words(page)).not.toContain('Access only');
    const consent = await person.open(await goThere(person, page, { account }));
    expect(asks(consent, 'approve')).toBe(true);
    const done = await person.submit(consent, { action: 'approve' });
    expect(done.url.searchParams.get('code')).toEqual(expect.any(String));
    expect(await whoIs(person)).toBe(who.email);
  });

  test('PX-1: the cookie of the service takes no new client further than our consent', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const { person } = await signInThrough(federated.server, { account });
    const attacker = await registerClient(federated.target, { client_name: 'Attacker' });
    const page = await openLogin(attacker, person);
    expect(asks(page, 'approve')).toBe(true);
    // Signed out here, and still known there: the service answers without a question, and we ask all the same.
    const mine = await person.open(`${federated.server.issuer}/account`);
    await act(person, mine, { path: '/sign-out', action: 'sign-out' });
    const step = await choose(person, await openLogin(attacker, person), 'elsewhere');
    const there = step.kind === 'left' ? await person.open(step.url) : step;
    if (there.kind !== 'left') throw new Error('the third party asked');
    const consent = await person.open(there.url);
    expect(asks(consent, 'approve')).toBe(true);
  });

  test('works at the account page, and one who refuses there is told so', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const { person, page } = await signInThrough(federated.server, { account });
    expect(isAccountPage(page)).toBe(true);
    expect(words(page)).toContain('How you sign in');
    expect(await whoIs(person)).toBe(`${account}@acme.example`);
    const other = createHttpPerson();
    const at = await choose(other, await other.open(`${federated.server.issuer}/account/sign-in`), 'elsewhere');
    const back = await other.open(await answerThere(other, at, { account, decision: 'refuse' }));
    expect(words(back)).toContain('You did not sign in at Third Party');
    expect(await whoIs(other)).toBeUndefined();
  });

  test('nothing of what the service gave is kept, and nothing but who somebody is was asked for', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    await signInThrough(federated.server, { account });
    expect(await federated.server.database.prisma.upstreamConnection.count()).toBe(0);
    // SP-4, SP-8: nor is it in any other table, nor a way there in clear.
    expect(await dumpTables(federated.server.database)).not.toMatch(/third-party-(access|refresh)-|codeVerifier/);
    const asked = (await federated.third.requests()).filter(({ url }) => url.includes('/authorize?')).at(-1);
    const query = new URL(asked?.url ?? '').searchParams;
    expect(query.get('scope')).toBe('openid email profile');
    expect(query.get('code_challenge_method')).toBe('S256');
    expect(query.get('redirect_uri')).toBe(`${federated.server.issuer}/upstream/elsewhere/sign-in`);
  });

  test('a service that is away or answers with an error signs nobody in, and a password still does', async () => {
    const who = await join(federated.server, `${newAccount()}@example.com`);
    const account = newAccount();
    await linked(account, who.userId);
    for (const token of ['down', 'error'] as const) {
      await federated.third.misbehave({ token });
      const { person, page } = await signInThrough(federated.server, { account });
      expect(page.answer.status).toBeGreaterThanOrEqual(400);
      expect(await whoIs(person)).toBeUndefined();
      expect(isAccountPage(await signInAtAccount(federated.server.issuer, person, who))).toBe(true);
    }
  });
});

describe('who somebody is', () => {
  test('the same e-mail address at the service takes over no account, verified or not', async () => {
    const who = await join(federated.server, `${newAccount()}@acme.example`);
    for (const email of [who.email, OWNER.email, who.email.toUpperCase()]) {
      for (const email_verified of [true, false]) {
        await saying({ email, email_verified, hd: email.split('@')[1], tid: TENANT, groups: ['staff'] });
        for (const provider of ['elsewhere', 'staff', 'known', 'google', 'entra']) {
          const { person, page } = await signInThrough(federated.server, { provider, account: newAccount() });
          expect(words(page)).toContain('Nobody here signs in with that account');
          expect(await whoIs(person)).toBeUndefined();
        }
      }
    }
  });

  test.each<[string, string, Record<string, unknown>]>([
    ['whose address is not verified', 'elsewhere', { email_verified: false }],
    ['whose address nobody calls verified', 'elsewhere', { email_verified: undefined }],
    ['of another domain', 'elsewhere', { email: 'somebody@evil.example' }],
    ['without an address', 'elsewhere', { email: undefined }],
    ['who is in no allowed group', 'staff', { groups: ['guests'] }],
    ['whose groups are no list', 'staff', { groups: 'staff' }],
    ['where nobody is made a user', 'known', { groups: ['staff'] }],
    ["without Google's own word for the domain", 'google', { hd: undefined }],
    ["with Google's word for another domain", 'google', { hd: 'evil.example' }],
    ['of another tenant of Microsoft', 'entra', { tid: '0f0e0d0c-0000-4000-8000-000000000002' }],
    ['of no tenant of Microsoft', 'entra', { tid: undefined }],
  ])('nobody new becomes a user %s', async (_what, provider, claims) => {
    const account = newAccount();
    const email = `${account}@acme.example`;
    await verified(email, { hd: 'acme.example', tid: TENANT, ...claims });
    const { person, page } = await signInThrough(federated.server, { provider, account });
    expect(words(page)).toContain('Nobody here signs in with that account');
    expect(await whoIs(person)).toBeUndefined();
    expect(await users().findByEmail(email)).toBeUndefined();
  });

  test.each<[string, Record<string, unknown>]>([
    ['elsewhere', {}],
    ['staff', { groups: ['staff'] }],
    ['google', { hd: 'acme.example' }],
    ['entra', { tid: TENANT, email_verified: undefined }],
  ])(
    'somebody new becomes a user through %s where the rule says so, and stays the same one',
    async (provider, more) => {
      const account = newAccount();
      const email = `${account}@acme.example`;
      await verified(email, more);
      await signInThrough(federated.server, { provider, account });
      expect(await users().findByEmail(email)).toMatchObject({ roles: ['agent'], passwordHash: null });
      await saying({ email: 'renamed@acme.example', ...more });
      const { person } = await signInThrough(federated.server, { provider, account });
      expect(await whoIs(person)).toBe(email);
    },
  );

  test('a disabled user is not signed in, nor is one whose link was taken away', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    await signInThrough(federated.server, { account });
    const user = await users().findByEmail(`${account}@acme.example`);
    const userId = user?.id ?? '';
    await users().setDisabled({ userId, disabled: true, now: new Date() });
    const { person, page } = await signInThrough(federated.server, { account });
    expect(words(page)).toContain('switched off');
    expect(await whoIs(person)).toBeUndefined();
  });
});

describe('roles by groups', () => {
  const rolesOf = async (email: string) => (await users().findByEmail(email))?.roles;

  test('are judged at each sign-in: given, taken, and an administrator only by a rule that says so', async () => {
    const account = newAccount();
    const email = `${account}@acme.example`;
    await verified(email, { groups: ['leads', 'admin', 'administrators'] });
    await signInThrough(federated.server, { account });
    expect(await rolesOf(email)).toEqual(['agent', 'lead']);
    await verified(email, { groups: ['admins'] });
    await signInThrough(federated.server, { account });
    expect(await rolesOf(email)).toEqual(['admin', 'agent']);
    await verified(email, {});
    await signInThrough(federated.server, { account });
    expect(await rolesOf(email)).toEqual(['agent']);
  });

  test('a rule that was removed takes its role away at the next sign-in', async () => {
    const account = newAccount();
    const email = `${account}@acme.example`;
    await verified(email, { groups: ['leads'] });
    await signInThrough(federated.server, { account });
    expect(await rolesOf(email)).toEqual(['agent', 'lead']);
    await signInThrough(federated.plain, { account });
    expect(await rolesOf(email)).toEqual(['agent']);
  });

  test('what an administrator gave stays, whatever the groups say', async () => {
    const who = await join(federated.server, `${newAccount()}@example.com`, ['lead']);
    const account = newAccount();
    await linked(account, who.userId);
    for (const groups of [['leads'], []]) {
      await saying({ groups });
      await signInThrough(federated.server, { account });
      expect(await rolesOf(who.email)).toEqual(['lead']);
    }
  });
});

describe('the way there and back (PX-11)', () => {
  test('login CSRF: an answer that somebody else fetched signs nobody in', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const attacker = createHttpPerson();
    const back = await goThere(attacker, await attacker.open(`${federated.server.issuer}/account/sign-in`), {
      account,
    });
    const own = newAccount();
    await verified(`${own}@acme.example`);
    const { person: victim } = await signInThrough(federated.server, { account: own });
    for (const browser of [victim, createHttpPerson()]) expect((await browser.open(back)).answer.status).toBe(400);
    expect(await whoIs(victim)).toBe(`${own}@acme.example`);
    // A cookie of that name which the attacker managed to set is not the one that the answer is bound to.
    const { name } = attacker.cookies.entries().find((one) => one.name.includes('upstream')) ?? {};
    await verified(`${account}@acme.example`);
    const planted = await sendRaw(back, { headers: { cookie: `${name}=${'x'.repeat(43)}` } });
    expect([typeof name, planted.status]).toEqual(['string', 400]);
    expect((await sendRaw(back)).status).toBe(400);
  });

  test('an answer works once, for ten minutes, and at the service that it was begun with', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const person = createHttpPerson();
    const back = await goThere(person, await person.open(`${federated.server.issuer}/account/sign-in`), { account });
    const swapped = new URL(back);
    swapped.pathname = '/upstream/google/sign-in';
    expect((await person.open(swapped)).answer.status).toBe(400);
    const asAccess = new URL(back);
    asAccess.pathname = '/upstream/elsewhere/callback';
    expect((await person.open(asAccess)).answer.status).toBe(400);
    const cookies = person.cookies.header(back);
    expect(isAccountPage(await person.open(back))).toBe(true);
    expect((await sendRaw(back, { headers: { cookie: cookies ?? '' } })).status).toBe(400);
    expect((await sendRaw(`${federated.server.issuer}/upstream/elsewhere/sign-in?code=x`)).status).toBe(400);
  });

  test('an answer at a name that is no service here finds no page, and is still good where it belongs', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const person = createHttpPerson();
    const back = await goThere(person, await person.open(`${federated.server.issuer}/account/sign-in`), { account });
    const head = `HTTP/1.1\r\nHost: ${back.host}\r\nCookie: ${person.cookies.header(back)}\r\nAccept: text/html\r\n`;
    const knock = (path: string) =>
      sendBytes(back, `GET /upstream/${path}${back.search} ${head}Connection: close\r\n\r\n`);
    for (const name of NO_SERVICES) {
      for (const page of ['callback', 'sign-in']) {
        const answer = await knock(`${name}/${page}`);
        const [status] = answer.split('\r\n');
        expect([name, page, status]).toEqual([name, page, 'HTTP/1.1 404 Not Found']);
        expect(answer).toContain('There is nothing here');
      }
    }
    // What is used for access only is no way to sign in.
    expect(await knock('access/sign-in')).toContain('404 Not Found');
    expect(isAccountPage(await person.open(back))).toBe(true);
  });

  test.each<[string, Parameters<Federated['third']['misbehave']>[0]]>([
    ['another issuer in the answer', { authorize: 'wrong_iss' }],
    ['no issuer in the answer', { authorize: 'no_iss' }],
    ['an error', { authorize: 'error' }],
    ['the nonce of another sign-in', { claims: { nonce: 'an-old-one' } }],
    ['no nonce', { claims: { nonce: null } }],
    ['an ID token of another issuer', { claims: { iss: 'https://other.example' } }],
    ['an ID token for another client', { claims: { aud: 'somebody-else' } }],
    [
      'an ID token for several, of which we are not the one it was made for',
      { claims: { aud: ['portcullis-there', 'x'], azp: 'x' } },
    ],
    ['an ID token that has expired', { claims: { exp: 1 } }],
    ['nobody', { claims: { sub: null } }],
  ])('mix-up and replay: %s signs nobody in', async (_what, faults) => {
    const account = newAccount();
    const who = await join(federated.server, `${account}@example.com`);
    await linked(account, who.userId);
    await federated.third.misbehave(faults);
    const { person, page } = await signInThrough(federated.server, { account });
    expect(page.answer.status).toBe(400);
    expect(await whoIs(person)).toBeUndefined();
  });

  test('an answer for one authorization does not sign in at another one', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const person = createHttpPerson();
    const client = await registerClient(federated.target, { client_name: 'Helper' });
    const back = await goThere(person, await openLogin(client, person), { account });
    const uid = back.searchParams.get('state');
    expect(uid).toEqual(expect.any(String));
    const other = createHttpPerson();
    const page = await openLogin(client, other);
    await other.open(back);
    expect(asks(await other.open(page.url), 'login')).toBe(true);
  });
});

describe('sign-ins that nobody finishes (SP-37)', () => {
  const from = '127.0.0.81';
  const start = async (person: HttpPerson) =>
    choose(person, await person.open(`${federated.server.issuer}/account/sign-in`), 'elsewhere');
  const denied = () =>
    federated.server.database.prisma.auditEvent.count({
      where: { type: 'user.signed_in', outcome: 'denied', address: from },
    });

  test('fill no audit trail: some are recorded, and the rest is counted', async () => {
    const person = createHttpPerson({ fromAddress: from });
    for (let nth = 0; nth < 50; nth++) {
      const { url } = await start(person);
      const back = new URL(`${federated.server.issuer}/upstream/elsewhere/sign-in?error=x`);
      back.searchParams.set('state', url.searchParams.get('state') ?? '');
      back.searchParams.set('iss', federated.third.issuer);
      expect((await person.open(back)).answer.status).toBe(400);
    }
    const count = await denied();
    expect(count).toBeGreaterThanOrEqual(20);
    expect(count).toBeLessThanOrEqual(40);
  });

  test('are begun a bounded number of times from one network; those that are finished do not count', async () => {
    const { prisma } = federated.server.database;
    const key = `upstream-sign-in-starts:${from}`;
    const begun = async () => (await prisma.rateLimit.findUnique({ where: { key } }))?.points;
    const before = await begun();
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const person = createHttpPerson({ fromAddress: from });
    expect(isAccountPage((await signInThrough(federated.server, { account, person })).page)).toBe(true);
    expect(await begun()).toBe(before);
    await prisma.rateLimit.updateMany({ where: { key }, data: { points: 199 } });
    const flows = await prisma.upstreamFlow.count();
    const stranger = createHttpPerson({ fromAddress: from });
    const last = await start(stranger);
    expect(last.url.href).toContain(federated.third.issuer);
    const refused = await start(stranger);
    expect(refused.answer.status).toBe(429);
    expect(words(refused)).toContain('Too many sign-ins were begun from your network');
    expect(await prisma.upstreamFlow.count()).toBe(flows + 1);
    expect((await start(createHttpPerson({ fromAddress: '127.0.0.82' }))).url.href).toContain(federated.third.issuer);
  });
});

describe('administration takes a fresh sign-in (SP-12)', () => {
  /** Goes to the admin API's consent as the command line would, with an account elsewhere. */
  async function toAdministration(account: string, person = createHttpPerson()): Promise<Step> {
    const resource = `${federated.server.issuer}/admin`;
    const { url } = authorizationRequest(federated.target, COMMAND_LINE, { resource, scope: 'admin:users' });
    const page = await person.open(url);
    return asks(page, 'login') ? person.open(await goThere(person, page, { account })) : page;
  }

  test('which an account elsewhere gives only where the service says when it was', async () => {
    const account = newAccount();
    const email = `${account}@acme.example`;
    const groups = ['admins'];
    await verified(email, { groups });
    expect(words(await toAdministration(account))).toContain('did not say that this was one');
    const now = () => Math.floor(Date.now() / 1000);
    await verified(email, { groups, auth_time: now() - 3600 });
    expect(words(await toAdministration(account))).toContain('did not say that this was one');
    await verified(email, { groups, auth_time: now() });
    expect(asks(await toAdministration(account), 'approve')).toBe(true);
    const asked = (await federated.third.requests()).filter(({ url }) => url.includes('/authorize?')).at(-1);
    expect(new URL(asked?.url ?? '').searchParams.get('max_age')).toBe('300');
  });

  test('and a session that was opened elsewhere is none', async () => {
    const account = newAccount();
    await verified(`${account}@acme.example`, { groups: ['admins'] });
    const { person } = await signInThrough(federated.server, { account });
    const resource = `${federated.server.issuer}/admin`;
    const { url } = authorizationRequest(federated.target, COMMAND_LINE, { resource, scope: 'admin:users' });
    expect(asks(await person.open(url), 'login')).toBe(true);
  });
});

describe('a personal access token of somebody who has no password (SP-14)', () => {
  /** Somebody who signed in elsewhere, at some time, in front of the page on which tokens are made. */
  async function holderSince(claims: object): Promise<Holder> {
    const account = newAccount();
    const email = `${account}@acme.example`;
    await verified(email, claims);
    const { person } = await signInThrough(federated.server, { account });
    const user = await users().findByEmail(email);
    if (!user) throw new Error('nobody became a user');
    const page = await person.open(`${federated.server.issuer}/account/tokens/new`);
    return { who: { email, userId: user.id, password: '' }, person, page, resource: federated.server.mcpUrl };
  }
  const seconds = () => Math.floor(Date.now() / 1000);
  const tokensOf = ({ who }: Holder) =>
    federated.server.database.prisma.personalAccessToken.count({ where: { userId: who.userId } });

  test('is made with a fresh sign-in, and the page asks for no password', async () => {
    const holder = await holderSince({ auth_time: seconds() });
    expect(words(holder.page)).toContain('You have no password here');
    expect(holder.page.answer.text).not.toContain('current_password');
    expect(await makeToken(holder)).toMatch(/^pct_/);
    expect(await tokensOf(holder)).toBe(1);
  });

  test.each([
    ['of an hour ago', () => ({ auth_time: seconds() - 3600 })],
    ['of an unknown time', () => ({})],
  ])('is not made with a sign-in %s, whatever password is sent', async (_when, claims) => {
    const holder = await holderSince(claims());
    for (const current_password of ['', 'a password that nobody has']) {
      const refused = await askForToken(holder, { current_password });
      expect(refused.answer.status).toBe(403);
      expect(words(refused)).toContain('sign in again');
      expect(words(refused)).not.toContain('not your password');
    }
    expect(await tokensOf(holder)).toBe(0);
  });

  test('is made after signing in again, for which the service is asked for a fresh sign-in', async () => {
    const holder = await holderSince({ auth_time: seconds() - 3600 });
    const { person } = holder;
    const step = await choose(person, await askForToken(holder), 'elsewhere');
    const there = step.kind === 'left' ? await person.open(step.url) : step;
    if (there.kind !== 'left') throw new Error('the third party asked');
    const asked = (await federated.third.requests()).filter(({ url }) => url.includes('/authorize?')).at(-1);
    expect(new URL(asked?.url ?? '').searchParams.get('max_age')).toBe('300');
    const { email } = holder.who;
    await verified(email, { auth_time: seconds() });
    expect(isAccountPage(await person.open(there.url))).toBe(true);
    const page = await person.open(`${federated.server.issuer}/account/tokens/new`);
    expect(await makeToken({ ...holder, page })).toMatch(/^pct_/);
  });

  test('is not made once the sign-in has grown old', async () => {
    const holder = await holderSince({ auth_time: seconds() });
    federated.server.pass(301);
    try {
      expect((await askForToken(holder)).answer.status).toBe(403);
    } finally {
      federated.server.pass(-301);
    }
    expect(await tokensOf(holder)).toBe(0);
  });
});

describe('adding and removing an account elsewhere', () => {
  /** Somebody with a password, freshly signed in. */
  async function owner() {
    const who = await join(federated.server, `${newAccount()}@example.com`);
    const person = createHttpPerson();
    return { who, person, page: await signInAtAccount(federated.server.issuer, person, who) };
  }

  test('after a fresh sign-in it is added, signs in from then on, and is removed again', async () => {
    const { who, person, page } = await owner();
    const account = newAccount();
    const after = await person.open(await goThere(person, page, { provider: 'known', account }));
    expect(words(after)).toContain('Added. From now on');
    const { person: later } = await signInThrough(federated.server, { provider: 'known', account });
    expect(await whoIs(later)).toBe(who.email);
    const [method] = await identities().list(who.userId);
    const removed = await act(person, after, { path: `/sign-in-methods/${method?.id}/remove`, action: 'remove' });
    expect(words(removed)).toContain('Removed. Nobody signs in');
    const { person: gone } = await signInThrough(federated.server, { provider: 'known', account });
    expect(await whoIs(gone)).toBeUndefined();
    const events = await federated.server.database.prisma.auditEvent.findMany({
      where: { subject: who.userId, type: { startsWith: 'user.identity' } },
      orderBy: { time: 'asc' },
    });
    expect(events.map(({ type }) => type)).toEqual(['user.identity_linked', 'user.identity_unlinked']);
  });

  test('a sign-in that is older than five minutes, or came from elsewhere, does not do', async () => {
    const { person, page } = await owner();
    federated.server.pass(301);
    try {
      const refused = await choose(person, page, 'known');
      expect(refused.answer.status).toBe(403);
      expect(words(refused)).toContain('sign in again');
    } finally {
      federated.server.pass(-301);
    }
    const account = newAccount();
    await verified(`${account}@acme.example`);
    const { person: other, page: theirs } = await signInThrough(federated.server, { account });
    expect((await choose(other, theirs, 'known')).answer.status).toBe(403);
  });

  test("somebody else's account is not taken from them, and one's own is not added twice", async () => {
    const first = await owner();
    const account = newAccount();
    await first.person.open(await goThere(first.person, first.page, { provider: 'known', account }));
    const again = await first.person.open(`${federated.server.issuer}/account`);
    const twice = await first.person.open(await goThere(first.person, again, { provider: 'known', account }));
    expect(words(twice)).toContain('was added before');
    const thief = await owner();
    const refused = await thief.person.open(await goThere(thief.person, thief.page, { provider: 'known', account }));
    expect(refused.answer.status).toBe(409);
    expect((await identities().find(identityOf(account)))?.userId).toBe(first.who.userId);
  });

  test('a victim who is led to the end of it adds nothing, nor does whoever is signed in meanwhile', async () => {
    const attacker = await owner();
    const victim = await owner();
    const account = newAccount();
    const door = await choose(attacker.person, attacker.page, 'known');
    const back = await answerThere(victim.person, door, { account });
    expect((await victim.person.open(back)).answer.status).toBe(400);
    // The same browser, and another user by the time that it comes back.
    const second = await choose(
      attacker.person,
      await attacker.person.open(`${federated.server.issuer}/account`),
      'known',
    );
    const late = await answerThere(attacker.person, second, { account });
    const page = await attacker.person.open(`${federated.server.issuer}/account`);
    await act(attacker.person, page, { path: '/sign-out', action: 'sign-out' });
    await signInAtAccount(federated.server.issuer, attacker.person, victim.who);
    expect((await attacker.person.open(late)).answer.status).toBe(400);
    expect(await identities().find(identityOf(account))).toBeUndefined();
  });

  test('the only way in is not removed, and nobody removes what is not theirs', async () => {
    const account = newAccount();
    const email = `${account}@acme.example`;
    await verified(email);
    const { person, page } = await signInThrough(federated.server, { account });
    const user = await users().findByEmail(email);
    const userId = user?.id ?? '';
    const [method] = await identities().list(userId);
    // One of a service that the configuration has no longer opens nothing.
    await identities().link({ issuer: 'https://gone.example', subject: account, userId, now: new Date() });
    const path = `/sign-in-methods/${method?.id}/remove`;
    const kept = await act(person, page, { path, action: 'remove' });
    expect(words(kept)).toContain('the only way in which you can sign in');
    expect(await identities().find(identityOf(account))).toBeDefined();
  });

  test.each(['the account page', 'a link'])(
    'SP-12: a new password, by %s, takes away what a thief added who knew the old one, and nothing else',
    async (way) => {
      const { who, person, page } = await owner();
      const [thief, byAdministrator] = [newAccount(), newAccount()];
      await linked(byAdministrator, who.userId);
      await person.open(await goThere(person, page, { provider: 'known', account: thief }));
      await saying({ groups: ['admins'] });
      await signInThrough(federated.server, { account: thief });
      expect((await users().findByEmail(who.email))?.roles).toEqual(['admin', 'lead']);
      await saying({});
      const victim = createHttpPerson();
      const mine = await signInAtAccount(federated.server.issuer, victim, who);
      const password = 'a new password of the victim';
      const after =
        way === 'a link'
          ? await setPassword(await passwordLink(federated.server, who.userId), password)
          : await act(victim, mine, { path: '/password', current_password: who.password, password });
      expect(after.answer.status).toBe(200);
      expect(words(after)).toContain('add what is yours again');
      expect(words(after)).toContain(` at ${federated.third.issuer}`);
      const { person: again } = await signInThrough(federated.server, { provider: 'known', account: thief });
      expect(await whoIs(again)).toBeUndefined();
      expect((await users().findByEmail(who.email))?.roles).toEqual(['lead']);
      const { person: still } = await signInThrough(federated.server, { provider: 'known', account: byAdministrator });
      expect(await whoIs(still)).toBe(who.email);
      const { prisma } = federated.server.database;
      const unlinked = await prisma.auditEvent.findMany({
        where: { subject: who.userId, type: 'user.identity_unlinked' },
      });
      expect(unlinked.map(({ detail }) => JSON.parse(detail ?? '{}'))).toEqual([
        expect.objectContaining({ by: 'new password', upstreamSubject: `id-of-${thief}` }),
      ]);
    },
  );

  test('SP-12: what a thief was about to add when the password was changed is not added', async () => {
    const { who, person, page } = await owner();
    const account = newAccount();
    const back = await goThere(person, page, { provider: 'known', account });
    const victim = createHttpPerson();
    const mine = await signInAtAccount(federated.server.issuer, victim, who);
    // The thief is back already, and the service is asked who it was, when the password changes.
    await federated.third.misbehave({ token: 'late' });
    const asked = async () =>
      (await federated.third.requests()).filter(({ url }) => new URL(url, back).pathname.endsWith('/token')).length;
    const before = await asked();
    const adding = person.open(back);
    await pollUntil(async () => (await asked()) > before, { what: 'the question at the service', intervalMs: 50 });
    await act(victim, mine, { path: '/password', current_password: who.password, password: 'a new password of them' });
    await adding;
    expect(await identities().find(identityOf(account))).toBeUndefined();
  });

  test('with an account elsewhere go the roles that its groups gave', async () => {
    const { who, person, page } = await owner();
    const account = newAccount();
    await linked(account, who.userId);
    await saying({ groups: ['admins'] });
    await signInThrough(federated.server, { account });
    expect((await users().findByEmail(who.email))?.roles).toEqual(['admin', 'lead']);
    const [method] = await identities().list(who.userId);
    const shown = await person.open(page.url);
    await act(person, shown, { path: `/sign-in-methods/${method?.id}/remove`, action: 'remove' });
    expect((await users().findByEmail(who.email))?.roles).toEqual(['lead']);
  });
});

describe('an administrator links an account elsewhere', () => {
  const call = async (user: string, o: { method?: string; query?: Record<string, string>; body?: object }) => {
    const { access: token } = await administration();
    const query = o.query ? `?${new URLSearchParams(o.query)}` : '';
    return callAdmin(federated.server.issuer, { token, ...o, path: `/users/${user}/identities${query}` });
  };
  const named = (account: string) => ({
    identityProvider: federated.third.issuer,
    subject: identityOf(account).subject,
  });

  test('which signs in as that user from then on, and as nobody once it is unlinked', async () => {
    const who = await join(federated.server, `${newAccount()}@example.com`);
    const account = newAccount();
    await saying({ groups: ['leads'] });
    expect(await call(who.email, { method: 'POST', body: named(account) })).toMatchObject({ status: 201 });
    const { person } = await signInThrough(federated.server, { account });
    expect(await whoIs(person)).toBe(who.email);
    expect((await call(who.userId, {})).json).toMatchObject({ items: [{ ...named(account), rolesGiven: [] }] });
    expect((await call(who.email, { method: 'DELETE', query: named(account) })).status).toBe(200);
    expect(await whoIs((await signInThrough(federated.server, { account })).person)).toBeUndefined();
    const events = await federated.server.database.prisma.auditEvent.findMany({
      where: { type: { startsWith: 'user.identity' }, detail: { contains: who.userId } },
      orderBy: { time: 'asc' },
    });
    const owner = await users().findByEmail(OWNER.email);
    expect(events.map(({ type, subject }) => [type, subject])).toEqual([
      ['user.identity_linked', owner?.id],
      ['user.identity_unlinked', owner?.id],
    ]);
  });

  test('but not one that is somebody else’s, nor at a provider of another name, nor may anybody else', async () => {
    const [first, second] = [await join(federated.server, `${newAccount()}@example.com`), OWNER.email];
    const account = newAccount();
    await linked(account, first.userId);
    const link = (body: object) => call(second, { method: 'POST', body });
    expect(await link(named(account))).toMatchObject({ status: 409, text: expect.stringContaining(first.email) });
    expect((await call(second, { method: 'DELETE', query: named(account) })).status).toBe(404);
    const unlinked = named(newAccount());
    for (const changed of [
      { identityProvider: `${federated.third.issuer}/` },
      { identityProvider: federated.third.issuer.toUpperCase() },
      { identityProvider: 'https://stranger.example' },
      { identityProvider: '' },
      { subject: '' },
      { subject: 'a\0b' },
      { subject: 'x'.repeat(1001) },
      { email: first.email },
    ]) {
      expect((await link({ ...unlinked, ...changed })).status).toBe(400);
    }
    const { access: token } = await administration('admin:audit');
    const path = `/users/${second}/identities`;
    const unscoped = { token, method: 'POST', path, body: unlinked };
    expect((await callAdmin(federated.server.issuer, unscoped)).status).toBe(403);
    expect((await identities().find(identityOf(account)))?.userId).toBe(first.userId);
    const owner = await users().findByEmail(OWNER.email);
    expect(await identities().list(owner?.id ?? '')).toEqual([]);
  });

  test('of eight who link one account to another user each, one does', async () => {
    const eight = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const made = await users().create({ email: `${newAccount()}@example.com`, roles: [], now: new Date() });
        if (!made.ok) throw new Error(made.refusal.reason);
        return made.user;
      }),
    );
    const { access: token } = await administration();
    const body = named(newAccount());
    const answers = await Promise.all(
      eight.map(({ id }) =>
        callAdmin(federated.server.issuer, { token, method: 'POST', path: `/users/${id}/identities`, body }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
  });
});

describe('the last administrator', () => {
  const GIVEN = ['admin'];
  type Administrator = { userId: string; email: string; account: string; other: string; person: HttpPerson };

  /** Somebody whom the groups at one account there made an administrator; with another account they sign in too. */
  async function administrator(): Promise<Administrator> {
    const [account, other] = [newAccount(), newAccount()];
    const email = `${account}@example.com`;
    const made = await users().create({ email, roles: [], now: new Date() });
    if (!made.ok) throw new Error(made.refusal.reason);
    const userId = made.user.id;
    await linked(account, userId);
    await linked(other, userId);
    return { userId, email, account, other, person: createHttpPerson() };
  }

  async function promote({ userId, account }: Administrator): Promise<void> {
    await users().update({ userId, roles: GIVEN, now: new Date() });
    await identities().noteSignIn({ ...identityOf(account), label: account, givenRoles: GIVEN, now: new Date() });
  }

  const door = ({ person, account }: Administrator) =>
    person.open(`${federated.server.issuer}/account/sign-in`).then((page) => goThere(person, page, { account }));
  const remaining = () => users().countActive('admin');
  const anomalies = () =>
    federated.server.database.prisma.auditEvent.count({
      where: { type: 'anomaly.raised', detail: { contains: 'last_administrator' } },
    });

  test('stays one, of eight who lose the role at once: by a claim that is left out, or by removing the account', async () => {
    const eight = await Promise.all(Array.from({ length: 8 }, administrator));
    const owner = await users().findByEmail(OWNER.email);
    await federated.server.database.prisma.userRole.deleteMany({ where: { role: 'admin' } });
    try {
      for (const one of eight) await promote(one);
      await saying({});
      const doors = await Promise.all(eight.map(door));
      const pages = await Promise.all(eight.map(({ person }, index) => person.open(doors[index] ?? '')));
      expect(pages.map(isAccountPage)).toEqual(eight.map(() => true));
      expect([await remaining(), await anomalies()]).toEqual([1, 1]);

      for (const one of eight) await promote(one);
      const results = await Promise.all(
        eight.map(async ({ person, account, userId }) => {
          const method = (await identities().list(userId)).find(({ subject }) => subject === `id-of-${account}`);
          const page = await person.open(`${federated.server.issuer}/account`);
          return act(person, page, { path: `/sign-in-methods/${method?.id}/remove`, action: 'remove' });
        }),
      );
      const said = results.map((step) => (words(step).includes('Removed. Nobody') ? 'removed' : words(step)));
      expect(said.filter((text) => text === 'removed')).toHaveLength(7);
      expect(said.filter((text) => text.includes('Give somebody else the role admin first'))).toHaveLength(1);
      expect(await remaining()).toBe(1);
      const kept = eight[said.findIndex((text) => text !== 'removed')];
      const theirs = identityOf(kept?.account ?? '');
      expect(await identities().find(theirs)).toMatchObject({ givenRoles: GIVEN });
    } finally {
      if (owner) await users().update({ userId: owner.id, roles: owner.roles, now: new Date() });
    }
  });

  test('is not left without a way in by whoever administers, nor without the role that groups gave', async () => {
    const owner = await users().findByEmail(OWNER.email);
    const { access: token } = await administration();
    const account = newAccount();
    const { prisma } = federated.server.database;
    const unlink = async () => {
      const query = new URLSearchParams({ identityProvider: federated.third.issuer, subject: `id-of-${account}` });
      const path = `/users/${OWNER.email}/identities?${query}`;
      const { status, text } = await callAdmin(federated.server.issuer, { token, method: 'DELETE', path });
      return [status, text.includes('last administrator')];
    };
    if (!owner) throw new Error('no owner');
    const { id } = owner;
    const setHash = (passwordHash: string | null) => prisma.user.update({ where: { id }, data: { passwordHash } });
    const others = { role: 'admin', userId: { not: id } };
    await prisma.userRole.deleteMany({ where: others });
    await linked(account, id);
    try {
      await setHash(null);
      expect(await unlink()).toEqual([409, true]);
      await setHash(owner.passwordHash);
      await identities().noteSignIn({ ...identityOf(account), label: account, givenRoles: GIVEN, now: new Date() });
      expect(await unlink()).toEqual([409, true]);
      await identities().noteSignIn({ ...identityOf(account), label: account, givenRoles: [], now: new Date() });
      expect(await unlink()).toEqual([200, false]);
    } finally {
      await setHash(owner.passwordHash);
    }
  });
});
