import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { base64url, exportSPKI, generateKeyPair, importJWK } from 'jose';
import { guarded, later, message } from './support/guarded.ts';
import { goodClaims, NOON, type Overrides, RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());

const GENERIC = 'The access token is not valid for this resource.';

async function expectRefused(token: string, reason: string, at = NOON) {
  const { guard, refusals, clock } = guarded(issuer.url);
  clock.now = at;
  const response = await guard.protect(message(token), () => {
    throw new Error('the handler was reached');
  });
  expect(refusals).toEqual([{ reason }]);
  expect(response.status).toBe(401);
  expect(response.headers.get('www-authenticate')).toBe(
    `Bearer realm="mcp", error="invalid_token", error_description="${GENERIC}", ` +
      'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="desk:read", DPoP algs="ES256 EdDSA Ed25519 PS256 RS256"',
  );
  expect(await response.json()).toEqual({ error: 'invalid_token', error_description: GENERIC });
}

async function judge(overrides: Overrides, options = {}) {
  const { guard } = guarded(issuer.url, options);
  return guard.verifyToken(await issuer.sign(overrides));
}

describe('a good token', () => {
  test('SP-3, RS-25 becomes a frozen principal without the token in it', async () => {
    const token = await issuer.sign({ claims: { roles: ['agent'] } });
    const result = await guarded(issuer.url).guard.authenticate(message(token));
    expect(result).toEqual({
      ok: true,
      principal: {
        subject: 'user-1',
        credential: 'access_token',
        clientId: 'client-1',
        scopes: ['desk:read', 'desk:write'],
        roles: ['agent'],
        grantId: 'grant-1',
        tokenId: 'token-1',
        issuedAt: NOON,
        expiresAt: later(NOON, 300_000),
        issuer: issuer.url,
        audience: RESOURCE,
      },
      headers: {},
    });
    if (!result.ok) throw new Error('unreachable');
    expect(JSON.stringify(result)).not.toContain(token.split('.')[2]);
    for (const part of [result.principal, result.principal.scopes, result.principal.roles]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('may spell its type out, and may lack scope, roles and gid', async () => {
    const verdict = await judge({
      header: { typ: 'application/at+jwt' },
      claims: { scope: undefined, gid: undefined },
    });
    expect(verdict).toMatchObject({ ok: true, principal: { scopes: [] } });
    expect(verdict).not.toHaveProperty('principal.roles');
    expect(verdict).not.toHaveProperty('principal.grantId');
  });
});

describe('RS-10, RS-23: a forged token is refused', () => {
  const encode = (value: unknown) => base64url.encode(JSON.stringify(value));

  test.each(['none', 'None', 'NONE'])('unsigned, with alg %s', async (alg) => {
    const head = encode({ alg, typ: 'at+jwt', kid: 'first' });
    await expectRefused(`${head}.${encode(goodClaims(issuer.url))}.`, 'algorithm');
  });

  test('signed with HS256 under the public key', async () => {
    const key = await importJWK(await issuer.publicJwk(), 'ES256', { extractable: true });
    if (key instanceof Uint8Array) throw new Error('unreachable');
    const secret = new TextEncoder().encode(await exportSPKI(key));
    await expectRefused(await issuer.sign({ header: { alg: 'HS256' }, key: secret }), 'algorithm');
  });

  test('signed by another key under the known kid', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    await expectRefused(await issuer.sign({ key: privateKey }), 'bad_signature');
  });

  test('with claims changed after signing', async () => {
    const [head, , signature] = (await issuer.sign()).split('.');
    const claims = encode({ ...goodClaims(issuer.url), sub: 'somebody-else' });
    await expectRefused(`${head}.${claims}.${signature}`, 'bad_signature');
  });

  test('with its own key in the header', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const jwk = await issuer.publicJwk();
    await expectRefused(await issuer.sign({ header: { jwk, kid: 'mine' }, key: privateKey }), 'unknown_key');
  });

  test('with a kid that names nothing, and without a kid', async () => {
    await expectRefused(await issuer.sign({ header: { kid: 'other' } }), 'unknown_key');
    await expectRefused(await issuer.sign({ header: { kid: undefined } }), 'unknown_key');
  });

  test('with an extension that must be understood', async () => {
    const head = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'first', crit: ['x'], x: 1 });
    await expectRefused(`${head}.${encode(goodClaims(issuer.url))}.AAAA`, 'malformed_token');
  });

  test.each(['x', 'a.b.c', '..', 'undefined', `${'A'.repeat(20_000)}.A.A`])('that is no JWT: %#', async (token) => {
    await expectRefused(token, 'malformed_token');
  });
});

describe('a token made for something else is refused', () => {
  test.each(['JWT', 'jwt', 'at+JWT', 'AT+JWT', 'logout+jwt', 'dpop+jwt', undefined])('typ %s', async (typ) => {
    await expectRefused(await issuer.sign({ header: { typ } }), 'token_type');
  });

  test.each([
    ['SP-19: another issuer, signed with a known key', 'https://elsewhere.example'],
    ['with a slash more', 'SLASH'],
    ['in capitals', 'UPPER'],
    ['a list', 'LIST'],
    ['none', undefined],
  ])('issuer: %s', async (_name, given) => {
    const values: Record<string, unknown> = {
      SLASH: `${issuer.url}/`,
      UPPER: issuer.url.toUpperCase(),
      LIST: [issuer.url],
    };
    const iss = given === undefined ? undefined : (values[given] ?? given);
    await expectRefused(await issuer.sign({ claims: { iss } }), 'foreign_issuer');
  });

  test.each<[string, unknown]>([
    ['another resource', 'https://other.example/mcp'],
    ['a prefix', 'https://mcp.example.com'],
    ['a longer path', `${RESOURCE}/admin`],
    ['a trailing slash', `${RESOURCE}/`],
    ['other case', RESOURCE.toUpperCase()],
    ['a list with the resource in it', [RESOURCE, 'https://other.example']],
    ['a list of the resource', [RESOURCE]],
    ['the client', 'client-1'],
    ['empty', ''],
    ['none', undefined],
  ])('RS-24, SP-20: audience: %s', async (_name, aud) => {
    await expectRefused(await issuer.sign({ claims: { aud } }), 'foreign_audience');
  });
});

describe('time', () => {
  const seconds = NOON.getTime() / 1000;

  test('an expired token is refused, from the tolerance on', async () => {
    const token = await issuer.sign();
    const { guard, clock } = guarded(issuer.url);
    clock.now = later(NOON, 304_000);
    expect(await guard.verifyToken(token)).toMatchObject({ ok: true });
    clock.now = later(NOON, 305_000);
    expect(await guard.verifyToken(token)).toEqual({ ok: false, refusal: { reason: 'expired' } });
    await expectRefused(token, 'expired', later(NOON, 305_000));
  });

  test('SP-3: a token that was good once is judged anew when the clock has moved', async () => {
    const token = await issuer.sign();
    const { guard, clock } = guarded(issuer.url);
    const statuses: number[] = [];
    for (const ms of [0, 3_600_000, 0]) {
      clock.now = later(NOON, ms);
      statuses.push((await guard.protect(message(token), () => new Response())).status);
    }
    expect(statuses).toEqual([200, 401, 200]);
  });

  test('a token that is not valid yet is refused', async () => {
    await expectRefused(await issuer.sign({ claims: { nbf: seconds + 6 } }), 'not_yet_valid');
    expect(await judge({ claims: { nbf: seconds + 5 } })).toMatchObject({ ok: true });
  });

  test('a token issued in the future is refused', async () => {
    await expectRefused(await issuer.sign({ claims: { iat: seconds + 6 } }), 'issued_in_future');
    expect(await judge({ claims: { iat: seconds + 5 } })).toMatchObject({ ok: true });
  });

  test('the tolerance can be none', async () => {
    const { guard, clock } = guarded(issuer.url, { clockToleranceSeconds: 0 });
    clock.now = later(NOON, 300_000);
    expect(await guard.verifyToken(await issuer.sign())).toMatchObject({ refusal: { reason: 'expired' } });
  });
});

describe('claims that must be there and have their form', () => {
  test.each(['exp', 'iat', 'sub', 'client_id', 'jti'])('without %s', async (name) => {
    await expectRefused(await issuer.sign({ claims: { [name]: undefined } }), 'malformed_claims');
  });

  test.each<[string, unknown]>([
    ['exp', '1999999999'],
    ['sub', ''],
    ['sub', 7],
    ['client_id', ['client-1']],
    ['jti', {}],
    ['scope', ['desk:read']],
    ['roles', 'lead'],
    ['roles', [1]],
    ['gid', 1],
    ['nbf', 'later'],
  ])('%s is %j', async (name, value) => {
    await expectRefused(await issuer.sign({ claims: { [name]: value } }), 'malformed_claims');
  });

  test('an end that is no moment', async () => {
    await expectRefused(await issuer.sign({ claims: { exp: 1e300 } }), 'malformed_claims');
  });
});
