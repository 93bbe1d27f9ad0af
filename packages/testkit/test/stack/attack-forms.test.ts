import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import type { HttpPerson, RawAnswer, Stack, Step } from '../../src/index.ts';
import { asks, createHttpPerson, sendRaw, startStack } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, redeem, registerClient, targetOf } from './support/authorization.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

let stack: Stack;
let target: Target;
let client: TestClient;

beforeAll(async () => {
  stack = await startStack({ authorizationServerAlone: true, authorizationServer: OWNER_ENV });
  target = await targetOf(stack);
  client = await registerClient(target);
});

afterAll(() => stack?.stop());

type Waiting = { person: HttpPerson; page: Extract<Step, { kind: 'page' }>; verifier: string };

/** Somebody in front of the sign-in page. */
async function atLogin(): Promise<Waiting> {
  const person = createHttpPerson();
  const { url, verifier } = authorizationRequest(target, client);
  return { person, page: pageOf(await person.open(url), 'login'), verifier };
}

/** Somebody in front of the consent page. */
async function atConsent(): Promise<Waiting> {
  const { person, page, verifier } = await atLogin();
  const next = await person.submit(page, { ...OWNER, action: 'login' });
  return { person, page: pageOf(next, 'approve'), verifier };
}

function pageOf(step: Step, action: string): Waiting['page'] {
  if (step.kind !== 'page' || !asks(step, action)) throw new Error(`not asked to ${action}: ${step.answer.text}`);
  return step;
}

/** What a browser would send for a page's form, by hand. */
function formOf({ page }: Waiting, changes: Record<string, string>): { action: URL; body: URLSearchParams } {
  const [form] = page.forms;
  if (!form) throw new Error('no form');
  const body = new URLSearchParams(form.defaults.filter(([name]) => !(name in changes)));
  for (const [name, value] of Object.entries(changes)) body.append(name, value);
  return { action: form.action, body };
}

type Attack = { cookie?: string | undefined; headers?: Record<string, string>; body?: URLSearchParams; action?: URL };

/** Posts the approval of a waiting consent page, spoilt by `attack`. */
function approve(waiting: Waiting, attack: Attack = {}): Promise<RawAnswer> {
  const { action, body } = formOf(waiting, { action: 'approve' });
  const cookie = 'cookie' in attack ? attack.cookie : waiting.person.cookies.header(action);
  return sendRaw(attack.action ?? action, {
    body: attack.body ?? body,
    headers: { origin: stack.issuer, ...(cookie !== undefined && { cookie }), ...attack.headers },
  });
}

function expectRefusedPage(answer: RawAnswer, status = 400): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.location).toBeUndefined();
  expect(answer.headers['content-type']).toContain('text/html');
}

/** The person whose page was attacked goes on as if nothing had been. */
async function expectUnharmed(waiting: Waiting): Promise<void> {
  const step = await waiting.person.submit(waiting.page, { action: 'approve' });
  expect(step.kind).toBe('left');
  const code = step.url.searchParams.get('code') ?? '';
  expect((await redeem(target, client, { code: { code, verifier: waiting.verifier } })).status).toBe(200);
}

describe('a consent form (SP-18)', () => {
  test("of somebody else's sign-in is refused: with the attacker's cookies, with none, and with theirs mixed", async () => {
    const victim = await atConsent();
    const attacker = await atConsent();
    const own = attacker.person.cookies.header(formOf(attacker, {}).action);
    expectRefusedPage(await approve(victim, { cookie: own }));
    expectRefusedPage(await approve(victim, { cookie: undefined }));
    // The attacker names the victim's page with their own token, and their own page with the victim's.
    expectRefusedPage(await approve(victim, { cookie: own, body: formOf(attacker, { action: 'approve' }).body }));
    expectRefusedPage(await approve(attacker, { body: formOf(victim, { action: 'approve' }).body }));
    // The session alone is not enough, nor is the cookie of the interaction under a path that is not its own.
    const session = victim.person.cookies.entries().filter(({ name }) => !name.includes('interaction'));
    expectRefusedPage(
      await approve(victim, { cookie: session.map(({ name, value }) => `${name}=${value}`).join('; ') }),
    );
    await expectUnharmed(victim);
    await expectUnharmed(attacker);
  });

  test('cannot be seen by anybody else either', async () => {
    const victim = await atConsent();
    const attacker = createHttpPerson();
    const seen = await attacker.open(victim.page.url);
    expectRefusedPage(seen.answer);
    expect(seen.answer.text).not.toContain(OWNER.email);
  });

  test('with a cookie whose signature was changed or left away is refused', async () => {
    const victim = await atConsent();
    const { action } = formOf(victim, {});
    const cookie = victim.person.cookies.header(action) ?? '';
    expectRefusedPage(await approve(victim, { cookie: cookie.replaceAll(/(\.sig=)./g, '$1!') }));
    expectRefusedPage(
      await approve(victim, {
        cookie: cookie
          .split('; ')
          .filter((pair) => !pair.includes('.sig='))
          .join('; '),
      }),
    );
    await expectUnharmed(victim);
  });

  test('with the token of another step, of another sign-in, with none or two is refused', async () => {
    const login = await atLogin();
    const loginToken = formOf(login, {}).body.get('form_token') ?? '';
    const next = await login.person.submit(login.page, { ...OWNER, action: 'login' });
    const victim = { ...login, page: pageOf(next, 'approve') };
    const { body } = formOf(victim, { action: 'approve' });
    const token = body.get('form_token') ?? '';
    expect(loginToken).not.toBe('');
    expect(token).not.toBe(loginToken);
    const other = formOf(await atConsent(), {}).body.get('form_token') ?? '';
    for (const forged of [
      [loginToken],
      [other],
      [''],
      [],
      [token, token],
      [token, loginToken],
      [token.toLowerCase()],
      [`${token}x`],
    ]) {
      const spoilt = new URLSearchParams([...body].filter(([name]) => name !== 'form_token'));
      for (const value of forged) spoilt.append('form_token', value);
      expectRefusedPage(await approve(victim, { body: spoilt }));
    }
    await expectUnharmed(victim);
  });

  test('that another site sends is refused', async () => {
    const victim = await atConsent();
    for (const headers of [
      { origin: 'https://attacker.example' },
      { origin: 'null' },
      { origin: 'http://localhost:1' },
      { origin: stack.issuer, 'sec-fetch-site': 'cross-site' },
      { origin: stack.issuer, 'sec-fetch-site': 'same-site' },
    ]) {
      expectRefusedPage(await approve(victim, { headers: { ...headers } }), 403);
    }
    await expectUnharmed(victim);
  });

  test('that was answered cannot be sent again', async () => {
    const victim = await atConsent();
    const { action, body } = formOf(victim, { action: 'approve' });
    const cookie = victim.person.cookies.header(action);
    await expectUnharmed(victim);
    for (const replay of [
      await approve(victim, { cookie, action, body }),
      await approve(victim, { action, body }),
      await sendRaw(action, { headers: { ...(cookie !== undefined && { cookie }) } }),
    ]) {
      expectRefusedPage(replay);
    }
  });

  test('that was refused cannot be approved afterwards', async () => {
    const victim = await atConsent();
    const { action, body } = formOf(victim, { action: 'approve' });
    const cookie = victim.person.cookies.header(action);
    const step = await victim.person.submit(victim.page, { action: 'deny' });
    expect(step.kind === 'left' && step.url.searchParams.get('error')).toBe('access_denied');
    expectRefusedPage(await approve(victim, { cookie, action, body }));
  });

  test('sent twice at the same moment gives one code at most, and no error of ours', async () => {
    for (let round = 0; round < rounds(20); round++) {
      const victim = await atConsent();
      const steps = await Promise.all(
        Array.from({ length: 4 }, () => victim.person.submit(victim.page, { action: 'approve' })),
      );
      const codes = steps.flatMap((step) => (step.kind === 'left' ? (step.url.searchParams.get('code') ?? []) : []));
      expect(steps.map(({ answer }) => answer.status).filter((status) => status >= 500)).toEqual([]);
      expect(new Set(codes).size).toBe(1);
      const [code = ''] = codes;
      expect((await redeem(target, client, { code: { code, verifier: victim.verifier } })).status).toBe(200);
    }
  });

  test('grants no scope that its page did not offer', async () => {
    const victim = await atConsent();
    const step = await victim.person.submit(victim.page, {
      action: 'approve',
      scope: ['desk:read', 'desk:admin', 'admin:*'],
    });
    const code = (step.kind === 'left' && step.url.searchParams.get('code')) || '';
    const answer = await redeem(target, client, { code: { code, verifier: victim.verifier } });
    expect(answer.json?.scope).toBe('desk:read');
  });

  test('PX-3, PX-9: no cookie says what was allowed, so that none can be taken for a decision', async () => {
    const waiting = await atConsent();
    const names = () => new Set(waiting.person.cookies.entries().map(({ name }) => name));
    const before = names();
    const values = waiting.person.cookies.entries().map(({ value }) => value);
    await waiting.person.submit(waiting.page, { action: 'approve' });
    expect([...names()].filter((name) => !before.has(name))).toEqual([]);
    expect([...names()].filter((name) => /consent|approve|grant/.test(name))).toEqual([]);
    expect(values.join()).not.toContain(client.id);
  });

  test('AS-12, PX-8: no page of the way can be framed, scripted or kept', async () => {
    for (const { page } of [await atLogin(), await atConsent()]) {
      const { headers } = page.answer;
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['x-frame-options']).toBe('DENY');
      expect(headers['cache-control']).toContain('no-store');
      expect(headers['referrer-policy']).toMatch(/^(no-referrer|same-origin)$/);
      expect(page.answer.text).not.toMatch(/<script|javascript:|\son[a-z]+=/i);
    }
  });

  test('the name of a client is text on the page, whatever it says', async () => {
    const name = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>&amp;\u202Egnp.exe';
    const hostile = await registerClient(target, { client_name: name });
    const person = createHttpPerson();
    const login = await person.open(authorizationRequest(target, hostile).url);
    const consent = await person.submit(login, { ...OWNER, action: 'login' });
    for (const { answer } of [login, consent]) {
      expect(answer.status).toBe(200);
      expect(answer.text).not.toMatch(/<script|<img src=x|\u202E/i);
    }
  });
});

describe('a sign-in form', () => {
  test('cannot skip the consent: the step decides what a form means', async () => {
    const { person, page } = await atLogin();
    const step = await person.submit(page, { ...OWNER, password: 'wrong', action: 'approve', scope: ['desk:read'] });
    expect(step.kind === 'left' ? step.url.searchParams.get('code') : null).toBeNull();
  });

  test('AS-11: an answered form is followed by 303, never 307', async () => {
    const login = await atLogin();
    const { action, body } = formOf(login, { ...OWNER, action: 'login' });
    const cookie = login.person.cookies.header(action) ?? '';
    const answer = await sendRaw(action, { body, headers: { cookie, origin: stack.issuer } });
    expect(answer.status).toBe(303);
  });

  test('signing in gives the browser a new session: one that was planted before is worth nothing', async () => {
    const login = await atLogin();
    const planted = login.person.cookies.entries().find(({ name }) => /^(__Host-)?portcullis$/.test(name));
    const consent = await login.person.submit(login.page, { ...OWNER, action: 'login' });
    await login.person.submit(consent, { action: 'approve' });
    const after = login.person.cookies.entries().find(({ name }) => /^(__Host-)?portcullis$/.test(name));
    expect(after?.value).toBeDefined();
    expect(after?.value).not.toBe(planted?.value);
  });

  test('SP-21: cookies are out of reach of scripts and of other sites', async () => {
    const login = await atLogin();
    const { action, body } = formOf(login, { ...OWNER, action: 'login' });
    const cookie = login.person.cookies.header(action) ?? '';
    const answer = await sendRaw(action, { body, headers: { cookie, origin: stack.issuer } });
    const lines = [...(login.page.answer.headers['set-cookie'] ?? []), ...(answer.headers['set-cookie'] ?? [])];
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/(?=.*; httponly)(?=.*; samesite=lax)/i);
  });
});
