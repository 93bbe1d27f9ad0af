import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { GuardOptions } from '../src/index.ts';
import { guarded, later, message } from './support/guarded.ts';
import { NOON, startIssuer, type TestIssuer } from './support/issuer.ts';

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(() => issuer.close());

const away = (_request: unknown, response: { writeHead(status: number): { end(): unknown } }) => {
  response.writeHead(500).end();
  return true;
};
const present = () => false;
const unknownKid = (kid: string) => issuer.sign({ header: { kid } });
const ok = () => new Response('reached');

/** Verifies, and says in one word what came out. */
async function outcome(guard: ReturnType<typeof guarded>['guard'], token: string): Promise<string> {
  const verdict = await guard.verifyToken(token);
  return verdict.ok ? 'ok' : verdict.refusal.reason;
}

describe('keys that cannot be had', () => {
  test('are a 503 with Retry-After, never a 401', async () => {
    issuer.interfere(away);
    const { guard, refusals } = guarded(issuer.url);
    const response = await guard.protect(message(await issuer.sign()), ok);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(response.headers.get('www-authenticate')).toBeNull();
    expect(await response.text()).not.toMatch(/127\.0\.0\.1|status 500/);
    expect(refusals).toMatchObject([{ reason: 'keys_unavailable', retryAfterSeconds: 1, cause: expect.any(Error) }]);
  });

  test('are asked for again after one second, two, four … and found when the issuer is back', async () => {
    let attempts = 0;
    issuer.interfere((_request, response) => {
      attempts += 1;
      return away(_request, response);
    });
    const { guard, clock } = guarded(issuer.url);
    const token = await issuer.sign({ at: later(NOON, 60_000), claims: { iat: NOON.getTime() / 1000 } });
    const attemptedAt: number[] = [];
    for (let second = 0; second <= 100; second += 1) {
      clock.now = later(NOON, second * 1000);
      const before = attempts;
      expect(await outcome(guard, token)).toBe('keys_unavailable');
      if (attempts > before) attemptedAt.push(second);
    }
    expect(attemptedAt).toEqual([0, 1, 3, 7, 15, 31, 61, 91]);
    issuer.interfere(present);
    clock.now = later(NOON, 121_000);
    expect(await outcome(guard, token)).toBe('ok');
  });

  test('a stuck issuer is left after the time-out', async () => {
    issuer.interfere(() => true);
    const { guard } = guarded(issuer.url, { jwks: { timeoutMs: 100 } });
    expect(await outcome(guard, await issuer.sign())).toBe('keys_unavailable');
  });

  test('known keys go on working for maxAgeMs + maxStaleMs, and no longer', async () => {
    const { guard, clock } = guarded(issuer.url, { jwks: { maxAgeMs: 60_000, maxStaleMs: 120_000 } });
    const token = await issuer.sign({ claims: { exp: NOON.getTime() / 1000 + 3600 } });
    expect(await outcome(guard, token)).toBe('ok');
    issuer.interfere(away);
    clock.now = later(NOON, 179_999);
    expect(await outcome(guard, token)).toBe('ok');
    clock.now = later(NOON, 180_000);
    expect(await outcome(guard, token)).toBe('keys_unavailable');
  });

  test('an unknown key is not called unknown while the issuer is away, for it may be a new one', async () => {
    const { guard, clock } = guarded(issuer.url);
    expect(await outcome(guard, await issuer.sign())).toBe('ok');
    issuer.interfere(away);
    clock.now = later(NOON, 30_000);
    expect(await outcome(guard, await unknownKid('new'))).toBe('keys_unavailable');
    expect(await outcome(guard, await issuer.sign())).toBe('ok');
  });
});

describe('how often the issuer is asked', () => {
  test('nothing is fetched before the first token', async () => {
    const { guard } = guarded(issuer.url);
    await guard.protect(message(), ok);
    expect(issuer.keyFetches()).toBe(0);
  });

  test('a hundred tokens with random keys cause one fetch in each cooldown', async () => {
    const { guard, clock } = guarded(issuer.url);
    const flood = async () => {
      const tokens = await Promise.all(Array.from({ length: 100 }, (_, index) => unknownKid(`random-${index}`)));
      return new Set(await Promise.all(tokens.map((token) => outcome(guard, token))));
    };
    expect(await flood()).toEqual(new Set(['unknown_key']));
    expect(issuer.keyFetches()).toBe(1);
    clock.now = later(NOON, 29_999);
    await flood();
    expect(issuer.keyFetches()).toBe(1);
    clock.now = later(NOON, 30_000);
    await flood();
    expect(issuer.keyFetches()).toBe(2);
  });

  test('a hundred first tokens at once share one fetch', async () => {
    const { guard } = guarded(issuer.url);
    const token = await issuer.sign();
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(guard, token)));
    expect(new Set(outcomes)).toEqual(new Set(['ok']));
    expect(issuer.keyFetches()).toBe(1);
  });

  test('a token that no key could save causes no fetch', async () => {
    const { guard } = guarded(issuer.url);
    await outcome(guard, await issuer.sign({ header: { typ: 'JWT' } }));
    await outcome(guard, 'a.b.c');
    expect(issuer.keyFetches()).toBe(0);
  });

  test('SP-13: a new key is picked up without a restart, and a withdrawn one is let go', async () => {
    const { guard, clock } = guarded(issuer.url);
    const old = await issuer.sign({ claims: { exp: NOON.getTime() / 1000 + 3600 } });
    expect(await outcome(guard, old)).toBe('ok');
    await issuer.rotate('second');
    clock.now = later(NOON, 30_000);
    expect(await outcome(guard, await issuer.sign())).toBe('ok');
    expect(await outcome(guard, old)).toBe('unknown_key');
  });

  test('a withdrawn key is let go after maxAgeMs though nobody asks for a new one', async () => {
    const { guard, clock } = guarded(issuer.url);
    const old = await issuer.sign({ claims: { exp: NOON.getTime() / 1000 + 3600 } });
    expect(await outcome(guard, old)).toBe('ok');
    await issuer.rotate('second');
    clock.now = later(NOON, 599_999);
    expect(await outcome(guard, old)).toBe('ok');
    clock.now = later(NOON, 600_000);
    expect(await outcome(guard, old)).toBe('unknown_key');
  });

  test('a clock that was set back does not hold a fetch up', async () => {
    const { guard, clock } = guarded(issuer.url);
    clock.now = later(NOON, 86_400_000);
    await outcome(guard, await unknownKid('x'));
    await issuer.rotate('second');
    clock.now = NOON;
    expect(await outcome(guard, await issuer.sign())).toBe('ok');
  });
});

describe('what the guard takes from the issuer', () => {
  const json =
    (value: unknown) => (request: { url?: string | undefined }, response: { end(text: string): unknown }) => {
      if (request.url === '/jwks') return false;
      response.end(JSON.stringify(value));
      return true;
    };

  test('an issuer with a path has its metadata under the inserted path', async () => {
    const tenant = await startIssuer('/tenant');
    try {
      expect(await outcome(guarded(tenant.url).guard, await tenant.sign())).toBe('ok');
    } finally {
      await tenant.close();
    }
  });

  test('jwks.url skips the metadata', async () => {
    issuer.interfere((request, response) => request.url !== '/jwks' && away(request, response));
    const { guard } = guarded(issuer.url, { jwks: { url: `${issuer.url}/jwks` } });
    expect(await outcome(guard, await issuer.sign())).toBe('ok');
  });

  test.each([
    ['metadata of another issuer', () => ({ issuer: `${issuer.url}/`, jwks_uri: `${issuer.url}/jwks` })],
    ['metadata without keys', () => ({ issuer: issuer.url })],
    ['keys in a file', () => ({ issuer: issuer.url, jwks_uri: 'file:///etc/keys' })],
    ['a list', () => []],
    [
      'metadata of more than 256 KiB',
      () => ({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, pad: 'x'.repeat(300_000) }),
    ],
  ])('not: %s', async (_name, document) => {
    issuer.interfere(json(document()));
    expect(await outcome(guarded(issuer.url).guard, await issuer.sign())).toBe('keys_unavailable');
  });

  test('SP-32: not: keys over plain http elsewhere, which are not even asked for', async () => {
    const asked: string[] = [];
    const fetch = async (url: unknown) => {
      asked.push(String(url));
      if (String(url).endsWith('/jwks')) return Response.json({ keys: [await issuer.publicJwk()] });
      return Response.json({ issuer: issuer.url, jwks_uri: 'http://192.0.2.1/jwks' });
    };
    expect(await outcome(guarded(issuer.url, { fetch }).guard, await issuer.sign())).toBe('keys_unavailable');
    expect(asked).toEqual([`${issuer.url}/.well-known/oauth-authorization-server`]);
  });

  test('not: good keys under a bad status', async () => {
    const keys = JSON.stringify({ keys: [await issuer.publicJwk()] });
    issuer.interfere((request, response) => {
      if (request.url !== '/jwks') return false;
      response.writeHead(500).end(keys);
      return true;
    });
    expect(await outcome(guarded(issuer.url).guard, await issuer.sign())).toBe('keys_unavailable');
  });

  test('not: keys behind a redirect', async () => {
    const other = await startIssuer();
    try {
      issuer.interfere((request, response) => {
        if (request.url !== '/jwks') return false;
        response.writeHead(302, { location: `${other.url}/jwks` }).end();
        return true;
      });
      expect(await outcome(guarded(issuer.url).guard, await issuer.sign())).toBe('keys_unavailable');
      expect(other.keyFetches()).toBe(0);
    } finally {
      await other.close();
    }
  });

  test('not: a key set that is none', async () => {
    const fetch: GuardOptions['fetch'] = async () => Response.json({ keys: ['x'] });
    const { guard } = guarded(issuer.url, { fetch, jwks: { url: `${issuer.url}/jwks` } });
    expect(await outcome(guard, await issuer.sign())).toBe('keys_unavailable');
  });
});

describe('AS-45: the mirror of the issuer’s metadata', () => {
  const mirrored = (method = 'GET') =>
    new Request('https://mcp.example.com/.well-known/oauth-authorization-server', { method });

  test('serves a copy to every origin', async () => {
    const { guard } = guarded(issuer.url, { mirrorIssuerMetadata: true });
    const response = await guard.protect(mirrored(), ok);
    expect(await response.json()).toEqual({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await guard.authorizationServerMetadata(message())).toBeUndefined();
  });

  test('asks the issuer once, whoever asks', async () => {
    let asked = 0;
    issuer.interfere(() => {
      asked += 1;
      return false;
    });
    const { guard } = guarded(issuer.url, { mirrorIssuerMetadata: true });
    await Promise.all(Array.from({ length: 50 }, () => guard.protect(mirrored(), ok)));
    expect(asked).toBe(1);
  });

  test('is 503 while there is no copy, and off unless asked for', async () => {
    issuer.interfere(away);
    const on = await guarded(issuer.url, { mirrorIssuerMetadata: true }).guard.protect(mirrored(), ok);
    expect([on.status, on.headers.get('retry-after')]).toEqual([503, '1']);
    const off = await guarded(issuer.url).guard.protect(mirrored(), ok);
    expect(off.status).toBe(401);
  });
});
