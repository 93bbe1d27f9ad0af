import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createReplayMemory } from '../src/index.ts';
import { guarded, later, message } from './support/guarded.ts';
import { NOON, RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';
import { createProofKey, type ProofChanges, type ProofKey } from './support/proof-key.ts';

let issuer: TestIssuer;
let key: ProofKey;
let other: ProofKey;
let token: string;
beforeAll(async () => {
  issuer = await startIssuer();
  [key, other] = [await createProofKey(), await createProofKey()];
  token = await issuer.sign({ claims: { cnf: { jkt: key.thumbprint } } });
});
afterAll(() => issuer.close());

const ALGORITHMS = 'ES256 EdDSA Ed25519 PS256 RS256';
const METADATA = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp';

/** A call that shows the token with DPoP. */
function shown(proof: string | undefined, accessToken = token): Request {
  return message(undefined, { authorization: `DPoP ${accessToken}`, ...(proof !== undefined && { dpop: proof }) });
}

/** Sends a request to a fresh guard. */
async function judge(request: Request, options = {}) {
  const { guard, refusals } = guarded(issuer.url, options);
  const answer = await guard.authenticate(request);
  return { answer, refusals, response: answer.ok ? undefined : answer.response };
}

async function refusedBecause(reason: string, request: Request, error = 'invalid_dpop_proof') {
  const { response, refusals } = await judge(request);
  expect(refusals).toEqual([expect.objectContaining({ reason })]);
  expect(response?.status).toBe(401);
  const challenge = response?.headers.get('www-authenticate');
  expect(challenge).toMatch(/^DPoP realm="mcp", /);
  expect(challenge).toContain(`error="${error}"`);
  expect(challenge).toContain(`resource_metadata="${METADATA}"`);
  expect(challenge).toContain(`algs="${ALGORITHMS}"`);
}

describe('SP-11: a token that is bound to a DPoP key', () => {
  test('passes with a proof of that key, and the principal says how it is bound', async () => {
    const { answer } = await judge(shown(await key.prove(token)));
    expect(answer).toMatchObject({ ok: true, principal: { boundTo: { dpopKey: key.thumbprint } }, headers: {} });
    expect(JSON.stringify(answer)).not.toContain(token);
  });

  test.each(['EdDSA', 'PS256', 'RS256'])('passes with a key of %s', async (alg) => {
    const another = await createProofKey(alg);
    const bound = await issuer.sign({ claims: { cnf: { jkt: another.thumbprint } } });
    expect((await judge(shown(await another.prove(bound), bound))).answer.ok).toBe(true);
  });

  test('is refused as a bearer token, proof or no proof', async () => {
    for (const headers of [{}, { dpop: await key.prove(token) }]) {
      const { response, refusals } = await judge(message(token, headers));
      expect(refusals).toEqual([{ reason: 'bound_token' }]);
      expect(response?.headers.get('www-authenticate')).toMatch(
        new RegExp(`^Bearer .*error="invalid_token".*, DPoP algs="${ALGORITHMS}"$`),
      );
    }
  });

  test('is refused by verifyToken, which sees no request', async () => {
    expect(await guarded(issuer.url).guard.verifyToken(token)).toEqual({
      ok: false,
      refusal: { reason: 'bound_token' },
    });
  });

  test('is refused without a proof', () => refusedBecause('proof_missing', shown(undefined)));

  test('is refused with a thief’s own key', async () =>
    refusedBecause('foreign_key', shown(await other.prove(token)), 'invalid_token'));

  test('is refused with a thief’s proof that claims the owner’s key', async () =>
    refusedBecause('proof_signature', shown(await other.prove(token, { header: { jwk: key.publicJwk } }))));

  test.each<[string, string, ProofChanges]>([
    ['another method', 'proof_method', { claims: { htm: 'GET' } }],
    ['the method in another case', 'proof_method', { claims: { htm: 'post' } }],
    ['another path', 'proof_url', { claims: { htu: 'https://mcp.example.com/other' } }],
    ['another host', 'proof_url', { claims: { htu: 'https://evil.example/mcp' } }],
    ['another scheme', 'proof_url', { claims: { htu: 'http://mcp.example.com/mcp' } }],
    ['no URL at all', 'proof_url', { claims: { htu: '/mcp' } }],
    ['the hash of another token', 'proof_token', { token: 'another' }],
    ['no hash of the token', 'proof_token', { claims: { ath: undefined } }],
    ['61 seconds old', 'proof_stale', { at: later(NOON, -61_000) }],
    ['61 seconds ahead', 'proof_in_future', { at: later(NOON, 61_000) }],
    ['ages ahead', 'proof_in_future', { claims: { iat: 1e300 } }],
    ['expired by its own word', 'proof_stale', { claims: { exp: NOON.getTime() / 1000 - 61 } }],
    ['a time that is no number', 'proof_malformed', { claims: { iat: '0' } }],
    ['no time', 'proof_malformed', { claims: { iat: undefined } }],
    ['no identifier', 'proof_malformed', { claims: { jti: undefined } }],
    ['an empty identifier', 'proof_malformed', { claims: { jti: '' } }],
    ['an identifier to fill memory with', 'proof_malformed', { claims: { jti: 'x'.repeat(257) } }],
    ['more text than a proof has', 'proof_malformed', { claims: { extra: 'x'.repeat(9000) } }],
    ['another type', 'proof_malformed', { header: { typ: 'JWT' } }],
    ['no type', 'proof_malformed', { header: { typ: undefined } }],
    ['no key', 'proof_malformed', { header: { jwk: undefined } }],
    ['a key that is none', 'proof_malformed', { header: { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } } }],
    ['another algorithm than its list', 'proof_algorithm', { header: { alg: 'HS256' }, key: randomBytes(32) }],
  ])('is refused with a proof of %s', async (_what, reason, { token: provenToken = token, ...changes }) =>
    refusedBecause(reason, shown(await key.prove(provenToken, changes))),
  );

  test('is refused with a proof that has the private key inside', async () =>
    refusedBecause('proof_malformed', shown(await key.prove(token, { header: { jwk: key.privateJwk } }))));

  test('is refused with a symmetric key inside, which anybody can sign with', async () => {
    const secret = randomBytes(32);
    const jwk = { kty: 'oct', k: secret.toString('base64url') };
    const proof = await key.prove(token, { header: { alg: 'HS256', jwk }, key: secret });
    await refusedBecause('proof_algorithm', shown(proof));
  });

  test('is refused with an unsigned proof', async () => {
    const [, claims] = (await key.prove(token)).split('.');
    const header = { alg: 'none', typ: 'dpop+jwt', jwk: key.publicJwk };
    const proof = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}.`;
    await refusedBecause('proof_algorithm', shown(proof));
  });

  test('is refused with two proofs, though both are good', async () => {
    const request = shown(await key.prove(token));
    request.headers.append('dpop', await key.prove(token));
    await refusedBecause('proof_malformed', request);
  });

  test.each(['not.a.jwt', '', '{}', 'a.b', `${'x'.repeat(20)}`])('is refused with %j for a proof', (proof) =>
    refusedBecause('proof_malformed', shown(proof)),
  );

  test('a proof may spell the URL in other ways that mean the same, with query and fragment', async () => {
    const htu = 'HTTPS://MCP.example.com:443/./mcp?a=1#b';
    expect((await judge(shown(await key.prove(token, { claims: { htu } })))).answer.ok).toBe(true);
  });

  test('the URL is the resource’s own whatever Host and the forwarded headers say', async () => {
    const hosts = { allowedHosts: ['mcp.example.com', 'internal:8080'] };
    const headers = { host: 'internal:8080', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' };
    const sent = (proof: string) =>
      message(undefined, { authorization: `DPoP ${token}`, dpop: proof, ...headers }, 'http://internal:8080/mcp');
    expect((await judge(sent(await key.prove(token)), hosts)).answer.ok).toBe(true);
    for (const htu of ['http://internal:8080/mcp', 'https://evil.example/mcp']) {
      const { refusals } = await judge(sent(await key.prove(token, { claims: { htu } })), hosts);
      expect(refusals).toEqual([{ reason: 'proof_url' }]);
    }
  });

  test('where a proxy changes paths, `publicUrl` says what clients see', async () => {
    const request = message(
      undefined,
      { authorization: `DPoP ${token}`, dpop: await key.prove(token) },
      'https://mcp.example.com/inner',
    );
    expect((await judge(request.clone())).refusals).toEqual([{ reason: 'proof_url' }]);
    expect((await judge(request, { publicUrl: () => RESOURCE })).answer.ok).toBe(true);
  });

  test.each<[string, unknown]>([
    ['a method that is not known here', { kid: 'key-1' }],
    ['a known one beside it', { jkt: 'x'.repeat(43), kid: 'key-1' }],
    ['a thumbprint that is none', { jkt: 'short' }],
    ['nothing', {}],
    ['text', 'jkt'],
    ['null', null],
  ])('a token that is bound to %s is refused with either scheme', async (_what, cnf) => {
    const bound = await issuer.sign({ claims: { cnf } });
    for (const request of [message(bound), shown(await key.prove(bound), bound)]) {
      expect((await judge(request)).refusals).toEqual([{ reason: 'malformed_claims' }]);
    }
  });
});

describe('SP-11: a proof is taken once', () => {
  test('of eight simultaneous uses exactly one passes, and no later one', async () => {
    const { guard, refusals } = guarded(issuer.url);
    const proof = await key.prove(token);
    const answers = await Promise.all(Array.from({ length: 8 }, () => guard.authenticate(shown(proof))));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(refusals).toEqual(Array(7).fill({ reason: 'proof_replayed' }));
    expect((await guard.authenticate(shown(proof))).ok).toBe(false);
  });

  test('it is remembered for as long as it could be used again', async () => {
    const { guard, clock, refusals } = guarded(issuer.url);
    const proof = await key.prove(token, { at: later(NOON, 59_000) });
    expect((await guard.authenticate(shown(proof))).ok).toBe(true);
    // One second before the window ends the proof would still be good; after it, it is stale.
    for (const passedMs of [10_000, 118_000]) {
      clock.now = later(NOON, passedMs);
      await guard.authenticate(shown(proof));
    }
    clock.now = later(NOON, 120_000);
    await guard.authenticate(shown(proof));
    expect(refusals.map(({ reason }) => reason)).toEqual(['proof_replayed', 'proof_replayed', 'proof_stale']);
  });

  test('refused proofs are not remembered', async () => {
    const { guard } = guarded(issuer.url, { dpop: { replays: createReplayMemory(1) } });
    for (let i = 0; i < 5; i++) await guard.authenticate(shown(await other.prove(token)));
    expect((await guard.authenticate(shown(await key.prove(token)))).ok).toBe(true);
  });

  test('a full memory forgets nothing: what cannot be remembered is answered 503, until there is room', async () => {
    const { guard, clock, refusals } = guarded(issuer.url, { dpop: { replays: createReplayMemory(1) } });
    const first = await key.prove(token);
    expect((await guard.authenticate(shown(first))).ok).toBe(true);
    const answer = await guard.authenticate(shown(await key.prove(token)));
    expect(!answer.ok && [answer.response.status, answer.response.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await guard.authenticate(shown(first))).ok).toBe(false);
    expect(refusals.map(({ reason }) => reason)).toEqual(['replays_full', 'proof_replayed']);
    clock.now = later(NOON, 65_000);
    expect((await guard.authenticate(shown(await key.prove(token, { at: clock.now })))).ok).toBe(true);
  });

  test('replicas that share a store share what was used', async () => {
    const options = { dpop: { replays: createReplayMemory() } };
    const replicas = [guarded(issuer.url, options), guarded(issuer.url, options)];
    const proof = await key.prove(token);
    const answers = await Promise.all(replicas.map(({ guard }) => guard.authenticate(shown(proof))));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });

  test('two keys may use one identifier', async () => {
    const { guard } = guarded(issuer.url);
    const bound = await issuer.sign({ claims: { cnf: { jkt: other.thumbprint } } });
    const claims = { jti: 'one' };
    expect((await guard.authenticate(shown(await key.prove(token, { claims })))).ok).toBe(true);
    expect((await guard.authenticate(shown(await other.prove(bound, { claims }), bound))).ok).toBe(true);
  });
});

describe('SP-11: nonces', () => {
  const secret = randomBytes(32);
  const options = { dpop: { nonceSecret: secret } };
  const nonceOf = (response: Response | undefined) => response?.headers.get('dpop-nonce') ?? '';
  const proven = async (nonce: unknown, changes: ProofChanges = {}) =>
    shown(await key.prove(token, { ...changes, claims: { nonce, ...changes.claims } }));

  test('a proof without one is answered with one, and passes with it on any replica, whatever its clock says', async () => {
    const { response, refusals } = await judge(shown(await key.prove(token)), options);
    expect(refusals).toEqual([expect.objectContaining({ reason: 'nonce_needed' })]);
    expect(response?.status).toBe(401);
    expect(response?.headers.get('www-authenticate')).toMatch(/^DPoP .*error="use_dpop_nonce"/);
    const nonce = nonceOf(response);
    for (const at of [NOON, later(NOON, -3_600_000)]) {
      const { answer } = await judge(await proven(nonce, { at }), options);
      expect(answer).toMatchObject({ ok: true, headers: { 'dpop-nonce': expect.stringMatching(/./) } });
    }
  });

  test('is taken once as well', async () => {
    const { guard, refusals } = guarded(issuer.url, options);
    const first = await guard.authenticate(shown(await key.prove(token)));
    const proof = await key.prove(token, { claims: { nonce: first.ok ? '' : nonceOf(first.response) } });
    const answers = await Promise.all(Array.from({ length: 8 }, () => guard.authenticate(shown(proof))));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(refusals.filter(({ reason }) => reason === 'proof_replayed')).toHaveLength(7);
  });

  test('another one is answered with a new one: made up, of another secret, of another resource, too old', async () => {
    const resource = 'https://mcp.example.com/other';
    const bound = { cnf: { jkt: key.thumbprint } };
    const issuedBy = async (guardOptions: object, at: Date, claims = {}) => {
      const shownToken = await issuer.sign({ at, claims: { ...bound, ...claims } });
      const request = shown(await key.prove(shownToken, { at }), shownToken);
      const { response, refusals } = await judge(request, {
        publicUrl: () => RESOURCE,
        ...guardOptions,
        now: () => at,
      });
      expect(refusals).toEqual([expect.objectContaining({ reason: 'nonce_needed' })]);
      return nonceOf(response);
    };
    const nonces = [
      'made up',
      5,
      token,
      await issuedBy({ dpop: { nonceSecret: randomBytes(32) } }, NOON),
      await issuedBy({ ...options, resource }, NOON, { aud: resource }),
      await issuedBy(options, later(NOON, -121_000)),
    ];
    expect((await judge(await proven(await issuedBy(options, later(NOON, -119_000))), options)).answer.ok).toBe(true);
    for (const nonce of nonces) {
      const { refusals } = await judge(await proven(nonce), options);
      expect(refusals).toEqual([expect.objectContaining({ reason: 'nonce_needed' })]);
    }
  });

  test('a guard without nonces passes over one, which may be of another server at its origin', async () => {
    expect((await judge(await proven('of another'))).answer.ok).toBe(true);
  });
});

describe('SP-11: a token that is bound to nothing', () => {
  test('passes as a bearer token, whatever header comes with it', async () => {
    const bearer = await issuer.sign();
    const { answer } = await judge(message(bearer, { dpop: 'nonsense' }));
    expect(answer.ok && 'boundTo' in answer.principal).toBe(false);
    expect(answer.ok).toBe(true);
  });

  test('is refused with DPoP', async () => {
    const bearer = await issuer.sign();
    await refusedBecause('unbound_token', shown(await key.prove(bearer), bearer), 'invalid_token');
  });

  test('is refused where the resource demands DPoP, and the challenge offers nothing else', async () => {
    const demanding = { proofOfPossession: 'dpop' };
    const bearer = await issuer.sign();
    const { response, refusals } = await judge(message(bearer), demanding);
    expect(refusals).toEqual([{ reason: 'unbound_token' }]);
    expect(response?.headers.get('www-authenticate')).toMatch(/^DPoP realm="mcp", error="invalid_token"/);
    expect((await judge(message(), demanding)).response?.headers.get('www-authenticate')).toBe(
      `DPoP realm="mcp", resource_metadata="${METADATA}", scope="desk:read", algs="${ALGORITHMS}"`,
    );
    expect((await judge(shown(await key.prove(token)), demanding)).answer.ok).toBe(true);
    expect(await guarded(issuer.url, { proofOfPossession: 'dpop' }).guard.verifyToken(bearer)).toMatchObject({
      refusal: { reason: 'unbound_token' },
    });
  });
});

test('RFC 9728 section 2: the metadata says which proofs are taken, and whether they must be', async () => {
  const read = async (options = {}) => guarded(issuer.url, options).guard.metadata(new Request(METADATA))?.json();
  expect(await read()).toMatchObject({ dpop_signing_alg_values_supported: ALGORITHMS.split(' ') });
  expect(await read()).not.toHaveProperty('dpop_bound_access_tokens_required');
  expect(await read({ proofOfPossession: 'dpop', dpop: { algorithms: ['ES256'] } })).toMatchObject({
    dpop_signing_alg_values_supported: ['ES256'],
    dpop_bound_access_tokens_required: true,
  });
  expect(await read({ proofOfPossession: 'certificate' })).toMatchObject({
    tls_client_certificate_bound_access_tokens: true,
  });
});

test('a page of an allowed origin may send proofs and read nonces', async () => {
  const { guard } = guarded(issuer.url, { dpop: { nonceSecret: randomBytes(32) } });
  const origin = 'https://mcp.example.com';
  const preflight = guard.preflight(new Request(RESOURCE, { method: 'OPTIONS', headers: { origin } }));
  expect(preflight?.headers.get('access-control-allow-headers')).toContain('DPoP');
  const request = shown(await key.prove(token));
  request.headers.set('origin', origin);
  const answer = await guard.protect(request, () => new Response('reached'));
  expect(answer.headers.get('access-control-expose-headers')).toContain('DPoP-Nonce');
  expect(answer.headers.get('dpop-nonce')).not.toBeNull();
});

test('options that cannot be safe are refused', () => {
  expect(() => guarded(issuer.url, { dpop: { algorithms: ['HS256'], nonceSecret: randomBytes(8) } })).toThrow(
    /dpop\.algorithms: HS256 is not asymmetric; dpop\.nonceSecret must be 32 to 1024 bytes/,
  );
  expect(() => guarded(issuer.url, { dpop: { algorithms: [], windowSeconds: 601 } })).toThrow(
    /dpop\.algorithms must not be empty; dpop\.windowSeconds must be 5 to 600/,
  );
});
