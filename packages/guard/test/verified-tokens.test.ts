import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { GuardOptions } from '../src/index.ts';
import { startFeed, until } from './support/feed.ts';
import { guarded, later, message } from './support/guarded.ts';
import { NOON, startIssuer, type TestIssuer } from './support/issuer.ts';
import { createProofKey } from './support/proof-key.ts';

let issuer: TestIssuer;
let verifications: ReturnType<typeof jest.spyOn>;
beforeEach(async () => {
  issuer = await startIssuer();
  verifications = jest.spyOn(crypto.subtle, 'verify');
});
afterEach(async () => {
  verifications.mockRestore();
  await issuer.close();
});

/** A guard, and what it says of a token: `ok`, or why not. */
function judging(options: Partial<GuardOptions> = {}) {
  const made = guarded(issuer.url, options);
  const judge = async (token: string) => {
    const verdict = await made.guard.verifyToken(token);
    return verdict.ok ? 'ok' : verdict.refusal.reason;
  };
  return { ...made, judge };
}

const count = () => verifications.mock.calls.length;
const tokens = (number: number) =>
  Promise.all(Array.from({ length: number }, (_, index) => issuer.sign({ claims: { jti: `token-${index}` } })));

describe('SP-3 a signature that was found good', () => {
  test('is not computed again, however often the token comes', async () => {
    const { judge } = judging();
    const token = await issuer.sign();
    for (let round = 0; round < 5; round += 1) expect(await judge(token)).toBe('ok');
    expect(count()).toBe(1);
  });

  test('is computed each time where nothing is to be remembered', async () => {
    const { judge } = judging({ rememberedTokens: 0 });
    const token = await issuer.sign();
    for (let round = 0; round < 3; round += 1) expect(await judge(token)).toBe('ok');
    expect(count()).toBe(3);
  });

  test('is computed again by another guard: an entry is for one issuer, resource and set of algorithms', async () => {
    const token = await issuer.sign();
    expect(await judging().judge(token)).toBe('ok');
    expect(await judging({ resource: 'https://other.example/mcp' }).judge(token)).toBe('foreign_audience');
    expect(await judging({ algorithms: ['RS256'] }).judge(token)).toBe('algorithm');
  });

  test('says nothing of a token that differs in one character', async () => {
    const { judge } = judging();
    const token = await issuer.sign();
    expect(await judge(token)).toBe('ok');
    const [head, claims = '', signature] = token.split('.');
    const changed = claims.startsWith('A') ? 'B' : 'A';
    expect(await judge(`${head}.${changed}${claims.slice(1)}.${signature}`)).not.toBe('ok');
    expect(await judge(`${head}.${claims}.`)).not.toBe('ok');
  });
});

describe('a token whose signature is remembered is judged anew in everything else', () => {
  test('RS-23 its end, its beginning and the moment of its issue, by the clock of each request', async () => {
    const { judge, clock } = judging();
    const seconds = NOON.getTime() / 1000;
    const token = await issuer.sign({ claims: { nbf: seconds } });
    const verdicts: string[] = [];
    for (const ms of [0, 304_000, 305_000]) {
      clock.now = later(NOON, ms);
      verdicts.push(await judge(token));
    }
    expect(count()).toBe(1);
    for (const ms of [-5000, -6000, 0]) {
      clock.now = later(NOON, ms);
      verdicts.push(await judge(token));
    }
    expect(verdicts).toEqual(['ok', 'ok', 'expired', 'ok', 'not_yet_valid', 'ok']);
    const early = await issuer.sign();
    clock.now = NOON;
    expect(await judge(early)).toBe('ok');
    clock.now = later(NOON, -6000);
    expect(await judge(early)).toBe('issued_in_future');
  });

  test('SP-12 its revocation', async () => {
    const feed = startFeed(issuer);
    const revocation = { clientId: 'desk', clientSecret: 'a secret', eventsUrl: feed.url };
    const { judge, guard } = judging({ revocation });
    try {
      await until(() => {
        feed.beat();
        return guard.metrics().revocation.fresh;
      });
      const token = await issuer.sign();
      expect(await judge(token)).toBe('ok');
      feed.revoke({ gid: 'grant-1' });
      await until(async () => (await judge(token)) === 'revoked');
      expect(count()).toBe(1);
    } finally {
      guard.close();
    }
  });

  test('RS-18 its scopes, which a handler cannot change for the next request', async () => {
    const { guard } = judging();
    const token = await issuer.sign({ claims: { roles: ['agent'] } });
    const first = await guard.authenticate(message(token));
    if (!first.ok) throw new Error('unreachable');
    first.principal.expiresAt.setFullYear(2999);
    const second = await guard.authenticate(message(token));
    expect(second).toMatchObject({ ok: true, principal: { expiresAt: later(NOON, 300_000) } });
  });

  test('SP-11 the proof of the key that it is bound to: none, another key’s, or one that was used', async () => {
    const { guard, refusals } = judging();
    const [key, other] = [await createProofKey(), await createProofKey()];
    const token = await issuer.sign({ claims: { cnf: { jkt: key.thumbprint } } });
    const show = (proof?: string) =>
      message(undefined, { authorization: `DPoP ${token}`, ...(proof !== undefined && { dpop: proof }) });
    const used = await key.prove(token);
    const requests = [show(used), show(), show(used), show(await other.prove(token)), message(token)];
    const statuses = [];
    for (const request of [...requests, show(await key.prove(token))]) {
      statuses.push((await guard.protect(request, () => new Response())).status);
    }
    expect(statuses).toEqual([200, 401, 401, 401, 401, 200]);
    expect(refusals.map(({ reason }) => reason)).toEqual([
      'proof_missing',
      'proof_replayed',
      'foreign_key',
      'bound_token',
    ]);
    // Six proofs at most and one token: the token's own signature was computed once.
    expect(count()).toBe(1 + 4);
  });

  test('SP-13 the certificate that it is bound to', async () => {
    const { guard, refusals } = judging();
    const certificate = new Uint8Array([1, 2, 3]);
    const thumbprint = createHash('sha256').update(certificate).digest('base64url');
    const token = await issuer.sign({ claims: { cnf: { 'x5t#S256': thumbprint } } });
    const connections = [{ clientCertificate: certificate }, {}, { clientCertificate: new Uint8Array([4]) }];
    const outcomes = [];
    for (const connection of connections) outcomes.push((await guard.authenticate(message(token), connection)).ok);
    expect(outcomes).toEqual([true, false, false]);
    expect(refusals.map(({ reason }) => reason)).toEqual(['certificate_missing', 'foreign_certificate']);
  });
});

describe('SP-8 a key that was withdrawn', () => {
  test('takes its tokens with it as soon as the key set is known to lack it', async () => {
    const { judge, clock } = judging();
    const old = await issuer.sign();
    expect(await judge(old)).toBe('ok');
    await issuer.rotate('second');
    expect(await judge(old)).toBe('ok');
    clock.now = later(NOON, 30_000);
    const fresh = await issuer.sign();
    expect(await judge(fresh)).toBe('ok');
    expect(await judge(old)).toBe('unknown_key');
    expect(await judge(fresh)).toBe('ok');
  });

  test('is not missed because another key came under its name', async () => {
    const { judge, clock } = judging();
    const old = await issuer.sign();
    expect(await judge(old)).toBe('ok');
    await issuer.rotate('first');
    clock.now = later(NOON, 250_000);
    await judge(await issuer.sign({ header: { kid: 'made up' } }));
    expect(await judge(old)).toBe('bad_signature');
  });

  test('keys that are too old to be used are too old for what is remembered as well', async () => {
    const { judge, clock } = judging({ jwks: { maxAgeMs: 60_000, maxStaleMs: 60_000 } });
    const token = await issuer.sign({ claims: { exp: NOON.getTime() / 1000 + 3600 } });
    expect(await judge(token)).toBe('ok');
    issuer.interfere((_request, response) => {
      response.writeHead(500).end();
      return true;
    });
    clock.now = later(NOON, 119_999);
    expect(await judge(token)).toBe('ok');
    clock.now = later(NOON, 120_000);
    expect(await judge(token)).toBe('keys_unavailable');
  });

  test('a key set that was fetched again is used for each token once more', async () => {
    const { judge, clock } = judging();
    const token = await issuer.sign({ claims: { exp: NOON.getTime() / 1000 + 3600 } });
    for (const ms of [0, 1000, 600_000, 601_000]) {
      clock.now = later(NOON, ms);
      expect(await judge(token)).toBe('ok');
    }
    expect(count()).toBe(2);
  });
});

describe('a flood', () => {
  test('of bad tokens pushes nothing out, for only good ones are remembered', async () => {
    const { judge } = judging({ rememberedTokens: 2 });
    const good = await issuer.sign();
    expect(await judge(good)).toBe('ok');
    for (const bad of await tokens(20)) {
      const [head, claims, signature = ''] = bad.split('.');
      expect(await judge(`${head}.${claims}.${signature.slice(0, -8)}AAAAAAAA`)).toBe('bad_signature');
    }
    verifications.mockClear();
    expect(await judge(good)).toBe('ok');
    expect(count()).toBe(0);
  });

  test('of good ones is bounded: the one that was not seen for the longest goes first', async () => {
    const { judge } = judging({ rememberedTokens: 2 });
    const [first = '', second = '', third = ''] = await tokens(3);
    for (const token of [first, second, first, third]) expect(await judge(token)).toBe('ok');
    verifications.mockClear();
    for (const token of [first, third]) expect(await judge(token)).toBe('ok');
    expect(count()).toBe(0);
    expect(await judge(second)).toBe('ok');
    expect(count()).toBe(1);
  });
});
