import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson, readToken, requestToken, sendJson } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { codeExchange, obtainCode, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { basicAuthorization, registerResourceServer } from './support/listening-guard.ts';
import { OWNER_ENV } from './support/owner.ts';
import { createProofKey, type ProofKey } from './support/proof-key.ts';
import { countTokens, type Family, grantIdOf, refresh, verdictOf } from './support/refreshing.ts';

const CONTENDERS = 8;
const GRACE_SECONDS = 120;
/** Demands DPoP. */
const VAULT = 'https://vault.example/mcp';
const configuration = {
  resources: {
    [VAULT]: {
      name: 'Vault',
      scopes: { 'vault:read': { description: 'Read the vault' } },
      defaultScopes: ['vault:read'],
      proofOfPossession: 'dpop',
    },
  },
  roles: { lead: ['desk:read', 'vault:read'] },
};
const REFUSED = [400, 'invalid_grant'];
const USED_PROOF = [400, 'invalid_dpop_proof'];
const PROOF_DEMANDED = [400, 'invalid_request'];
const NONCE_DEMANDED = [400, 'use_dpop_nonce'];

let database: TestDatabase;
let server: InProcess;
/** A replica beside it, which takes no proof without a nonce. */
let strict: InProcess;
let target: Target;
let client: TestClient;
/** Its refresh tokens are bound to its secret alone (RFC 9449, section 5). */
let confidential: TestClient;
let person: HttpPerson;
let key: ProofKey;
let thief: ProofKey;

beforeAll(async () => {
  database = await createTestDatabase();
  const shared = { databaseUrl: database.url, env: { ...OWNER_ENV, PORTCULLIS_ACCESS_TOKEN_TTL: '100' } };
  server = await startInProcess({ ...shared, configuration });
  strict = await startInProcess({
    ...shared,
    issuer: server.issuer,
    configuration: { ...configuration, dpop: { requireNonce: true } },
  });
  target = await targetOf(server);
  client = await registerClient(target);
  confidential = await registerClient(target, { token_endpoint_auth_method: 'client_secret_post' });
  person = createHttpPerson();
  [key, thief] = [await createProofKey(), await createProofKey()];
});
afterAll(async () => {
  await strict?.close();
  await server?.close();
  await database?.drop();
});

/** A proof that was never sent before. */
const prove = (by: ProofKey = key, claims: Record<string, unknown> = {}) =>
  by.prove({ url: target.server.token_endpoint, claims });

/** Begins a family whose tokens are bound to `key`; `changes` are put over the requests. */
async function begin(as: TestClient = client, changes: Record<string, string> = {}): Promise<Family> {
  const code = await obtainCode(target, as, { person, changes });
  const request = { ...codeExchange(target, as, code), client_secret: as.secret, ...changes };
  const tokens = tokensOf(await requestToken(target.server, request, { headers: { dpop: await prove() } }));
  return { ...tokens, grantId: grantIdOf(tokens.access) };
}

type Use = { at?: InProcess; as?: TestClient };

/** Refreshes with a proof, or without one. */
function use(token: string, dpop: string | undefined, { at = server, as = client }: Use = {}): Promise<JsonAnswer> {
  const there = { server: { ...target.server, token_endpoint: `http://localhost:${at.port}/token` } };
  const headers = { host: new URL(server.issuer).host, ...(dpop !== undefined && { dpop }) };
  return refresh(there, as, { token, raw: { headers } });
}

/** Acts so much later. The clock goes back after that: used proofs are kept by the engine's own, which stays. */
async function later<T>(seconds: number, act: () => Promise<T>, at: InProcess = server): Promise<T> {
  at.pass(seconds);
  try {
    return await act();
  } finally {
    at.pass(-seconds);
  }
}

/** The tokens of an answer that says that they are bound. */
function boundTokensOf(answer: JsonAnswer) {
  const tokens = tokensOf(answer);
  expect(answer.json?.token_type).toBe('DPoP');
  return tokens;
}

/** What was recorded of a family ending, or of anything odd about it. */
async function alarms(grantId: string): Promise<string[]> {
  const events = await createAuditLog(server.database).list({ limit: 1000 });
  return events
    .filter(({ detail }) => detail?.grantId === grantId)
    .map(({ type }) => type)
    .filter((type) => ['anomaly.raised', 'grant.revoked', 'token.reuse_detected'].includes(type))
    .sort();
}

/** What somebody sends who has the refresh token, but not the key; `used` is the proof that it was rotated with. */
const keyless: [string, (used: string) => Promise<string> | string | undefined, unknown[]][] = [
  ['with a proof of another key', () => prove(thief), REFUSED],
  ['without a proof', () => undefined, REFUSED],
  ['with the proof that was used', (used) => used, USED_PROOF],
];

describe('within the grace', () => {
  test('SP-10, SP-11: a lost answer is given again to a fresh proof of the same key: the identical tokens', async () => {
    const { grantId, refresh: token } = await begin();
    const first = boundTokensOf(await use(token, await prove()));
    expect(readToken(first.access).claims.cnf).toEqual({ jkt: key.thumbprint });
    expect(boundTokensOf(await use(token, await prove()))).toEqual(first);
    expect(await later(40, async () => boundTokensOf(await use(token, await prove())))).toEqual(first);
    expect(await countTokens(server.database, grantId)).toEqual({ all: 2, heads: 1 });
  });

  test('SP-11: an access token that is signed anew for it is bound to the same key', async () => {
    const { refresh: token } = await begin();
    const first = boundTokensOf(await use(token, await prove()));
    const again = await later(75, async () => boundTokensOf(await use(token, await prove())));
    expect(again.refresh).toBe(first.refresh);
    expect(again.access).not.toBe(first.access);
    expect(readToken(again.access).claims.cnf).toEqual({ jkt: key.thumbprint });
  });

  test.each(keyless)('SP-11: nobody gets the answer %s, and its owner loses nothing', async (_how, dpop, verdict) => {
    const { grantId, refresh: token } = await begin();
    const proof = await prove();
    const first = boundTokensOf(await use(token, proof));
    expect(verdictOf(await use(token, await dpop(proof)))).toEqual(verdict);
    expect(boundTokensOf(await use(token, await prove()))).toEqual(first);
    boundTokensOf(await use(first.refresh, await prove()));
    expect(await alarms(grantId)).toEqual([]);
  });

  // It may change its key, but an answer goes with the key that it was given to.
  test('SP-11: a confidential client gets the answer with the key of its first request only', async () => {
    const as = confidential;
    const other = await createProofKey();
    const { refresh: token } = await begin(as);
    const first = boundTokensOf(await use(token, await prove(), { as }));
    expect(verdictOf(await use(token, await prove(other), { as }))).toEqual(REFUSED);
    expect(verdictOf(await use(token, undefined, { as }))).toEqual(REFUSED);
    expect(boundTokensOf(await use(token, await prove(), { as }))).toEqual(first);
    const next = boundTokensOf(await use(first.refresh, await prove(other), { as }));
    expect(readToken(next.access).claims.cnf).toEqual({ jkt: other.thumbprint });
  });

  test('SP-10: eight at once at two replicas, each with a proof of its own, are one rotation', async () => {
    const family = await begin();
    let token = family.refresh;
    const played = rounds(20);
    for (let round = 0; round < played; round++) {
      const nonce = String((await use(token, await prove(), { at: strict })).headers['dpop-nonce']);
      const proofs = await Promise.all(Array.from({ length: CONTENDERS }, () => prove(key, { nonce })));
      const answers = await Promise.all(
        proofs.map((proof, index) => use(token, proof, { at: index % 2 === 0 ? server : strict })),
      );
      const [first, ...others] = answers.map(boundTokensOf);
      expect(others).toEqual(Array(CONTENDERS - 1).fill(first));
      token = first?.refresh ?? '';
    }
    expect(await countTokens(server.database, family.grantId)).toEqual({ all: played + 1, heads: 1 });
  }, 600_000);
});

describe('after the grace', () => {
  test('AS-19: the replaced token is reuse with the right key, and the family ends', async () => {
    const { grantId, refresh: token } = await begin();
    const head = boundTokensOf(await use(token, await prove()));
    await later(GRACE_SECONDS, async () => {
      expect(verdictOf(await use(token, await prove()))).toEqual(REFUSED);
      expect(verdictOf(await use(head.refresh, await prove()))).toEqual(REFUSED);
    });
    expect(await countTokens(server.database, grantId)).toEqual({ all: 0, heads: 0 });
    expect(await alarms(grantId)).toEqual(['anomaly.raised', 'token.reuse_detected']);
  });

  test.each(keyless)('SP-11: the replaced token ends nothing %s', async (_how, dpop, verdict) => {
    const { grantId, refresh: token } = await begin();
    const proof = await prove();
    const head = boundTokensOf(await use(token, proof));
    await later(GRACE_SECONDS, async () => {
      expect(verdictOf(await use(token, await dpop(proof)))).toEqual(verdict);
      boundTokensOf(await use(head.refresh, await prove()));
    });
    expect(await alarms(grantId)).toEqual([]);
  });
});

test('SP-11: where the resource demands DPoP, a refresh without a proof is refused and ends nothing, at any time', async () => {
  const as = confidential;
  const { grantId, refresh: token } = await begin(as, { resource: VAULT, scope: 'vault:read' });
  expect(verdictOf(await use(token, undefined, { as }))).toEqual(PROOF_DEMANDED);
  const first = boundTokensOf(await use(token, await prove(), { as }));
  expect(verdictOf(await use(token, undefined, { as }))).toEqual(PROOF_DEMANDED);
  expect(boundTokensOf(await use(token, await prove(), { as }))).toEqual(first);
  await later(GRACE_SECONDS, async () => {
    expect(verdictOf(await use(token, undefined, { as }))).toEqual(PROOF_DEMANDED);
    boundTokensOf(await use(first.refresh, await prove(), { as }));
  });
  expect(await alarms(grantId)).toEqual([]);
});

test('SP-10, SP-11: a refresh that is told to use a nonce burns nothing, whatever its token is by then', async () => {
  const { grantId, refresh: token } = await begin();
  const at = strict;
  async function demanded(): Promise<string> {
    const answer = await use(token, await prove(), { at });
    expect(verdictOf(answer)).toEqual(NONCE_DEMANDED);
    return prove(key, { nonce: String(answer.headers['dpop-nonce']) });
  }
  const toRefresh = await demanded();
  expect(await countTokens(server.database, grantId)).toEqual({ all: 1, heads: 1 });
  const first = boundTokensOf(await use(token, toRefresh, { at }));
  expect(boundTokensOf(await use(token, await demanded(), { at }))).toEqual(first);
  await later(
    GRACE_SECONDS,
    async () => {
      const proof = await demanded();
      boundTokensOf(await use(first.refresh, proof, { at }));
    },
    strict,
  );
  expect(await alarms(grantId)).toEqual([]);
});

test('RFC 9449 section 6.2: introspection says of a token that was given again what it is bound to', async () => {
  const desk = basicAuthorization(await registerResourceServer(server.database, server.mcpUrl));
  const { refresh: token } = await begin();
  await use(token, await prove());
  const { access } = boundTokensOf(await use(token, await prove()));
  const body = new URLSearchParams({ token: access });
  const { json } = await sendJson(`${server.issuer}/introspect`, { body, headers: desk });
  expect(json).toEqual({ ...readToken(access).claims, active: true, token_type: 'DPoP' });
  expect(json?.cnf).toEqual({ jkt: key.thumbprint });
});
