import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer, Stack, Step } from '../../src/index.ts';
import { createHttpPerson, plainText, requestToken, startStack } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, codeExchange, obtainCode, registerClient, targetOf } from './support/authorization.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

/** The words that stand in the page's alert, and nothing else of it. */
function wordsOf({ answer }: Step): string {
  return plainText(answer.text).replaceAll(/[\w.+-]+@[\w.-]+/g, '');
}

/** Opens a sign-in page in a browser of its own. */
async function atLogin(target: Target, client: TestClient, from: Parameters<typeof createHttpPerson>[0] = {}) {
  const person = createHttpPerson(from);
  return { person, page: await person.open(authorizationRequest(target, client).url) };
}

/** Some are looked at and refused, all others turned away. Each replica counts what is under way there by itself. */
function expectLookedAt(answers: readonly JsonAnswer[], count: number): void {
  const lookedAt = answers.filter(({ status }) => status === 401);
  expect(lookedAt.length).toBeGreaterThanOrEqual(count);
  expect(lookedAt.length).toBeLessThanOrEqual(count * stack.environments.authorizationServers.length);
  const others = answers.filter((answer) => !lookedAt.includes(answer));
  for (const { status, headers } of others) {
    expect(status).toBe(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  }
}

const signIn = (person: HttpPerson, page: Step, account: { email: string; password: string }) =>
  person.submit(page, { ...account, action: 'login' });

const WRONG = { email: OWNER.email, password: 'not the right password' };

let stack: Stack;
let target: Target;
let client: TestClient;

beforeAll(async () => {
  stack = await startStack({ authorizationServerAlone: true, authorizationServer: OWNER_ENV });
  target = await targetOf(stack);
  client = await registerClient(target);
});
afterAll(() => stack?.stop());

describe('signing in (SP-39)', () => {
  test('after ten failures from one address the eleventh try gets the same words with 429, even with the right password; the owner elsewhere gets in', async () => {
    const from = { fromAddress: '127.0.0.11' };
    const { person, page } = await atLogin(target, client, from);
    const failures: Step[] = [];
    for (let i = 0; i < 10; i++) failures.push(await signIn(person, page, { ...WRONG, password: `wrong ${i}` }));
    expect(failures.map(({ answer }) => answer.status)).toEqual(Array(10).fill(400));

    const eleventh = await signIn(person, page, OWNER);
    expect(eleventh.answer.status).toBe(429);
    expect(Number(eleventh.answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(eleventh.answer.headers['retry-after'])).toBeLessThanOrEqual(900);
    expect(wordsOf(eleventh)).toBe(wordsOf(failures[0] ?? eleventh));

    // A new browser, or somebody else's account, at that address is no way around; the way around is another address.
    const again = await atLogin(target, client, from);
    expect((await signIn(again.person, again.page, OWNER)).answer.status).toBe(429);
    expect((await signIn(again.person, again.page, { ...OWNER, email: 'other@example.com' })).answer.status).toBe(429);
    const forwarded = await atLogin(target, client, {
      ...from,
      headers: { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.7' },
    });
    expect((await signIn(forwarded.person, forwarded.page, OWNER)).answer.status).toBe(429);
    const owner = await atLogin(target, client, { fromAddress: '127.0.0.2' });
    expect((await signIn(owner.person, owner.page, OWNER)).answer.status).toBe(200);
  });

  test('the restart of a server forgets no failure', async () => {
    const from = { fromAddress: '127.0.0.12' };
    const first = await atLogin(target, client, from);
    for (let i = 0; i < 10; i++) await signIn(first.person, first.page, WRONG);
    await stack.restart();
    const second = await atLogin(target, client, from);
    expect((await signIn(second.person, second.page, OWNER)).answer.status).toBe(429);
  });

  test('simultaneous wrong tries are all counted', async () => {
    const from = { fromAddress: '127.0.0.13' };
    const { person, page } = await atLogin(target, client, from);
    const first = await Promise.all(Array.from({ length: 8 }, () => signIn(person, page, WRONG)));
    const second = await Promise.all(Array.from({ length: 8 }, () => signIn(person, page, WRONG)));
    const statuses = [...first, ...second].map(({ answer }) => answer.status);
    expect(statuses.filter((status) => status === 400)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(6);
  });

  test('signing in rightly costs no try', async () => {
    const from = { fromAddress: '127.0.0.14' };
    for (let i = 0; i < 12; i++) {
      const { person, page } = await atLogin(target, client, from);
      expect((await signIn(person, page, OWNER)).answer.status).toBe(200);
    }
  });

  test('a browser that the owner has used stays open to the owner while strangers at the same address are shut out', async () => {
    const from = { fromAddress: '127.0.0.15' };
    const known = await atLogin(target, client, from);
    await signIn(known.person, known.page, OWNER);
    const stranger = await atLogin(target, client, from);
    for (let i = 0; i < 11; i++) await signIn(stranger.person, stranger.page, WRONG);
    expect((await signIn(stranger.person, stranger.page, OWNER)).answer.status).toBe(429);

    // The session is gone, the mark of the browser is not; one that nobody signed is none.
    const marks = known.person.cookies.entries().filter(({ name }) => name.includes('device'));
    expect(marks).toHaveLength(1);
    const statusWith = async (change: (value: string) => string) => {
      const { person, page } = await atLogin(target, client, from);
      const lines = marks.map(({ name, value, path }) => `${name}=${change(value)}; path=${path}`);
      person.cookies.store(page.url, lines);
      return (await signIn(person, page, OWNER)).answer.status;
    };
    expect(await statusWith((value) => value)).toBe(200);
    expect(await statusWith((value) => value.replace(/\..*/, '.forged'))).toBe(429);
    expect(await statusWith((value) => `x${value}`)).toBe(429);
  });

  test('an unknown user and a wrong password get the same status, words and time', async () => {
    const times: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] };
    const answers = new Set<string>();
    for (let i = 0; i < 9; i++) {
      for (const who of ['known', 'unknown'] as const) {
        const { person, page } = await atLogin(target, client, { fromAddress: `127.0.1.${i + 1}` });
        const startedAt = performance.now();
        const step = await signIn(person, page, {
          email: who === 'known' ? OWNER.email : `nobody${i}@example.com`,
          password: 'wrong password',
        });
        times[who].push(performance.now() - startedAt);
        answers.add(`${step.answer.status} ${wordsOf(step)}`);
      }
    }
    expect([...answers]).toHaveLength(1);
    const ratio = median(times.known) / median(times.unknown);
    // Without the stand-in hash the unknown user is answered several times as fast.
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  });
});

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

describe('the address of a client (PORTCULLIS_TRUST_PROXY)', () => {
  let testDatabase: TestDatabase;
  let server: InProcess;
  let behindProxy: Target;
  let clientBehind: TestClient;

  beforeAll(async () => {
    testDatabase = await createTestDatabase();
    server = await startInProcess({
      databaseUrl: testDatabase.url,
      env: { ...OWNER_ENV, PORTCULLIS_TRUST_PROXY: '1' },
    });
    behindProxy = await targetOf(server);
    clientBehind = await registerClient(behindProxy);
  });
  afterAll(async () => {
    await server?.close();
    await testDatabase?.drop();
  });

  test('is what the one trusted proxy appended, never what a client wrote in front of it', async () => {
    const tryFrom = async (forwardedFor: string, account: typeof OWNER) => {
      const { person, page } = await atLogin(behindProxy, clientBehind, {
        headers: { 'x-forwarded-for': forwardedFor },
      });
      return (await signIn(person, page, account)).answer.status;
    };
    for (let i = 0; i < 10; i++) expect(await tryFrom(`198.51.100.${i}, 203.0.113.7`, WRONG)).toBe(400);
    expect(await tryFrom('198.51.100.99, 203.0.113.7', OWNER)).toBe(429);
    expect(await tryFrom('203.0.113.7', OWNER)).toBe(429);
    expect(await tryFrom('203.0.113.7, 203.0.113.8', OWNER)).toBe(200);
  });

  test('IPv6 addresses of one subscriber count as one', async () => {
    const tryFrom = async (address: string) => {
      const { person, page } = await atLogin(behindProxy, clientBehind, { headers: { 'x-forwarded-for': address } });
      return (await signIn(person, page, WRONG)).answer.status;
    };
    for (let i = 0; i < 10; i++) expect(await tryFrom(`2001:db8:1:2::${i}`)).toBe(400);
    expect(await tryFrom('2001:db8:1:2:ffff::1')).toBe(429);
    expect(await tryFrom('2001:db8:1:3::1')).toBe(400);
  });
});

describe('client authentication at the token endpoint (SP-39a)', () => {
  const person = createHttpPerson();

  type Method = 'client_secret_post' | 'client_secret_basic';

  /** Asks for tokens as `client` with `secret`, in the way that it registered. */
  function ask(
    client: TestClient,
    method: Method,
    { secret, code, fromAddress }: { secret: string; code: { code: string; verifier: string }; fromAddress?: string },
  ): Promise<JsonAnswer> {
    const exchange = codeExchange(target, client, code);
    const from = fromAddress === undefined ? {} : { fromAddress };
    if (method === 'client_secret_post')
      return requestToken(target.server, { ...exchange, client_secret: secret }, from);
    const authorization = `Basic ${Buffer.from(`${encodeURIComponent(client.id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
    return requestToken(target.server, { ...exchange, client_id: undefined }, { ...from, headers: { authorization } });
  }

  test.each<Method>(['client_secret_post', 'client_secret_basic'])(
    'SP-39a: %s: after twenty failures 429 with Retry-After; another client, and this one elsewhere, are unaffected',
    async (method) => {
      const [victim, other] = [
        await registerClient(target, { token_endpoint_auth_method: method }),
        await registerClient(target, { token_endpoint_auth_method: method }),
      ];
      const nothing = { code: 'x', verifier: 'x'.repeat(43) };
      const failures = await Promise.all(
        Array.from({ length: 20 }, (_, i) => ask(victim, method, { secret: `wrong ${i}`, code: nothing })),
      );
      for (const answer of failures) expect([answer.status, answer.json?.error]).toEqual([401, 'invalid_client']);

      const code = await obtainCode(target, victim, { person });
      const right = { secret: victim.secret ?? '', code };
      const refused = await ask(victim, method, right);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect(refused.json).toMatchObject({ error: expect.any(String) });
      expect(refused.json?.access_token).toBeUndefined();

      const otherCode = await obtainCode(target, other, { person });
      expect((await ask(other, method, { secret: other.secret ?? '', code: otherCode })).status).toBe(200);
      expect((await ask(victim, method, { ...right, fromAddress: '127.0.0.2' })).status).toBe(200);
    },
  );

  test.each<Method>(['client_secret_post', 'client_secret_basic'])(
    'SP-39a: %s: of sixty wrong secrets that come at once twenty are looked at',
    async (method) => {
      const victim = await registerClient(target, { token_endpoint_auth_method: method });
      const nothing = { code: 'x', verifier: 'x'.repeat(43) };
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => ask(victim, method, { secret: `wrong ${i}`, code: nothing })),
      );
      expectLookedAt(answers, 20);
    },
  );

  test('SP-39a: a client that sends sixty requests at once after nineteen failures is refused none of them', async () => {
    const method = 'client_secret_post';
    const client = await registerClient(target, { token_endpoint_auth_method: method });
    const nothing = { code: 'x', verifier: 'x'.repeat(43) };
    const sixtyTimes = (secret: string) =>
      Promise.all(Array.from({ length: 60 }, () => ask(client, method, { secret, code: nothing })));
    for (let i = 0; i < 19; i++) await ask(client, method, { secret: `wrong ${i}`, code: nothing });
    const answers = await sixtyTimes(client.secret ?? '');
    expect(answers.map(({ json }) => json?.error)).toEqual(Array(60).fill('invalid_grant'));
    expectLookedAt(await sixtyTimes('wrong'), 1);
  });

  test('a public client has no failures to be limited by', async () => {
    const client = await registerClient(target);
    for (let i = 0; i < 25; i++) {
      const answer = await requestToken(
        target.server,
        codeExchange(target, client, { code: `x${i}`, verifier: 'x'.repeat(43) }),
      );
      expect(answer.status).toBe(400);
    }
    expect(
      (await requestToken(target.server, codeExchange(target, client, await obtainCode(target, client, { person }))))
        .status,
    ).toBe(200);
  });

  test('a secret that is nearly right, empty or missing is refused', async () => {
    const client = await registerClient(target, { token_endpoint_auth_method: 'client_secret_post' });
    const code = await obtainCode(target, client, { person });
    const secret = client.secret ?? '';
    for (const wrong of ['', secret.slice(1), `${secret}x`, secret.toLowerCase()]) {
      const answer = await ask(client, 'client_secret_post', { secret: wrong, code });
      expect([answer.status, answer.json?.access_token]).toEqual([wrong === '' ? expect.any(Number) : 401, undefined]);
    }
    expect((await requestToken(target.server, codeExchange(target, client, code))).json?.access_token).toBeUndefined();
    expect((await ask(client, 'client_secret_post', { secret, code })).status).toBe(200);
  });
});
