import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createOneTimeLinkStore, createUserStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, Step } from '../../src/index.ts';
import { createHttpPerson, sendRaw } from '../../src/index.ts';
import { authorizationRequest, registerClient, targetOf } from './support/authorization.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER } from './support/owner.ts';

let testDatabase: TestDatabase;
let server: InProcess;

beforeEach(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({ databaseUrl: testDatabase.url });
});

afterEach(async () => {
  await server?.close();
  await testDatabase?.drop();
});

const link = () => String(server.setupLink);
const userCount = () => server.database.prisma.user.count();

/** A link with which an existing user sets a password. */
async function passwordLink(email = OWNER.email): Promise<string> {
  const user = await createUserStore(server.database).findByEmail(email);
  if (!user) throw new Error(`no user ${email}`);
  const token = await createOneTimeLinkStore(server.database).issue({
    purpose: 'password',
    userId: user.id,
    now: new Date(),
    ttlSeconds: 3600,
  });
  return `${server.issuer}/password?token=${token}`;
}

/** Whether somebody can sign in. */
async function signsIn(account: { email: string; password: string }): Promise<boolean> {
  const target = await targetOf(server);
  const person = createHttpPerson();
  const login = await person.open(authorizationRequest(target, await registerClient(target)).url);
  const next = await person.submit(login, { ...account, action: 'login' });
  return next.answer.status === 200;
}

const stopped = (step: Step) => [step.kind, step.answer.status, step.kind === 'page' ? step.forms.length : -1];

async function followed(person: HttpPerson, url: string): Promise<Step> {
  return person.open(url);
}

describe('the set-up link', () => {
  test('works once: a second browser that had it open creates nobody', async () => {
    const [first, second] = [createHttpPerson(), createHttpPerson()];
    const early = await followed(second, link());
    expect((await first.setUp(link(), OWNER)).answer.status).toBe(200);
    const late = await second.submit(early, { email: 'attacker@example.com', password: OWNER.password });
    expect(stopped(late)).toEqual(['page', 410, 0]);
    expect(stopped(await followed(createHttpPerson(), link()))).toEqual(['page', 410, 0]);
    expect(await userCount()).toBe(1);
    expect(await signsIn(OWNER)).toBe(true);
  });

  test('is over after an hour', async () => {
    const person = createHttpPerson();
    const page = await followed(person, link());
    server.pass(3601);
    expect(stopped(await followed(createHttpPerson(), link()))).toEqual(['page', 410, 0]);
    expect(stopped(await person.submit(page, OWNER))).toEqual(['page', 410, 0]);
    expect(await userCount()).toBe(0);
  });

  test('cannot be guessed, left out, or sent as a list', async () => {
    for (const query of ['', '?token=', '?token=x', `?token=${'A'.repeat(43)}`, '?token[]=x', '?token=a&token=b']) {
      expect([query, ...stopped(await followed(createHttpPerson(), `${server.issuer}/setup${query}`))]).toEqual([
        query,
        'page',
        410,
        0,
      ]);
    }
    const body = new URLSearchParams({ ...OWNER });
    expect((await sendRaw(`${server.issuer}/setup`, { body })).status).toBe(410);
    expect(await userCount()).toBe(0);
  });

  test('stands in the address bar for no page: its token moves into a cookie that no other page gets', async () => {
    const answer = await sendRaw(link());
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toBe(`${server.issuer}/setup`);
    expect(answer.headers['referrer-policy']).toBe('no-referrer');
    const token = new URL(link()).searchParams.get('token') ?? '-';
    expect(answer.headers['set-cookie']).toEqual([
      expect.stringMatching(new RegExp(`=${token}; path=/setup;.*httponly`, 'i')),
    ]);
  });

  test('its form needs the token of that form, and comes from no other site', async () => {
    const person = createHttpPerson();
    const page = await followed(person, link());
    expect((await person.submit(page, { ...OWNER, form_token: 'x' })).answer.status).toBe(400);
    expect((await person.submit(page, { ...OWNER, form_token: [] })).answer.status).toBe(400);
    const cookie = person.cookies.header(page.url) ?? '';
    const body = new URLSearchParams({ ...OWNER, form_token: 'x' });
    const foreign = await sendRaw(`${server.issuer}/setup`, {
      body,
      headers: { cookie, origin: 'https://attacker.example' },
    });
    expect(foreign.status).toBe(403);
    expect(await userCount()).toBe(0);
    expect((await person.submit(page, OWNER)).answer.status).toBe(200);
  });

  test('a weak password or a broken address does not use it up', async () => {
    const person = createHttpPerson();
    let page = await followed(person, link());
    for (const wrong of [
      { email: OWNER.email, password: 'short' },
      { email: 'nobody', password: OWNER.password },
      { email: OWNER.email, password: 'x'.repeat(1025) },
      { email: '', password: '' },
    ]) {
      page = await person.submit(page, wrong);
      expect(page.answer.status).toBe(400);
    }
    expect((await person.submit(page, OWNER)).answer.status).toBe(200);
  });
});

describe('a password link', () => {
  beforeEach(async () => {
    await createHttpPerson().setUp(link(), OWNER);
  });

  test('works once: of two browsers with the same link, the second changes nothing', async () => {
    const url = await passwordLink();
    const [first, second] = [createHttpPerson(), createHttpPerson()];
    const [page, other] = [await followed(first, url), await followed(second, url)];
    expect((await first.submit(page, { password: 'the new password' })).answer.status).toBe(200);
    expect(stopped(await second.submit(other, { password: 'the password of a thief' }))).toEqual(['page', 410, 0]);
    expect(await signsIn({ ...OWNER, password: 'the new password' })).toBe(true);
    expect(await signsIn(OWNER)).toBe(false);
    expect(await signsIn({ ...OWNER, password: 'the password of a thief' })).toBe(false);
  });

  test('is over after an hour', async () => {
    const url = await passwordLink();
    server.pass(3601);
    expect(stopped(await followed(createHttpPerson(), url))).toEqual(['page', 410, 0]);
  });

  test('opens no set-up page, and a set-up link no password page', async () => {
    const token = new URL(await passwordLink()).searchParams.get('token');
    expect(stopped(await followed(createHttpPerson(), `${server.issuer}/setup?token=${token}`))).toEqual([
      'page',
      410,
      0,
    ]);
    const fresh = await createOneTimeLinkStore(server.database).issue({
      purpose: 'setup',
      now: new Date(),
      ttlSeconds: 60,
    });
    expect(stopped(await followed(createHttpPerson(), `${server.issuer}/password?token=${fresh}`))).toEqual([
      'page',
      410,
      0,
    ]);
  });

  test('the form token of one link is worth nothing for another', async () => {
    const [mine, yours] = [createHttpPerson(), createHttpPerson()];
    const [page, other] = [await followed(mine, await passwordLink()), await followed(yours, await passwordLink())];
    const token = other.kind === 'page' ? new Map(other.forms[0]?.defaults).get('form_token') : undefined;
    const answer = await mine.submit(page, { password: 'the new password', form_token: token ?? '' });
    expect(answer.answer.status).toBe(400);
    expect(await signsIn(OWNER)).toBe(true);
  });

  test('once there is an administrator, a set-up link makes no other', async () => {
    const token = await createOneTimeLinkStore(server.database).issue({
      purpose: 'setup',
      now: new Date(),
      ttlSeconds: 60,
    });
    const person = createHttpPerson();
    const step = await person.setUp(`${server.issuer}/setup?token=${token}`, {
      email: 'attacker@example.com',
      password: OWNER.password,
    });
    expect(step.answer.status).toBe(410);
    expect(await userCount()).toBe(1);
  });
});
