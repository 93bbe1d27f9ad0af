import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore, createResourceStore } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson, readToken, requestToken, sendRaw } from '../../src/index.ts';
import type { Code, Target, TestClient } from './support/authorization.ts';
import { codeExchange, obtainCode, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { createProofKey, type ProofKey, type ProofOptions } from './support/proof-key.ts';

const VAULT = 'https://vault.example/mcp';
/** Demands DPoP as well, and is no part of the configuration. */
const ADDED = 'https://added.example/mcp';
const MACHINE = { id: 'machine-with-dpop', secret: 'a secret of many random bits' };
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

type Params = Record<string, string | undefined>;

let database: TestDatabase;
/** Two replicas on one database, each with its own connection. */
let replicas: [InProcess, InProcess];
/** A third, which takes no proof without a nonce. */
let strict: InProcess;
let target: Target;
let client: TestClient;
let person: HttpPerson;
let key: ProofKey;
let thief: ProofKey;

beforeAll(async () => {
  database = await createTestDatabase();
  const first = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration });
  const { issuer } = first;
  const others = { databaseUrl: database.url, issuer };
  replicas = [first, await startInProcess({ ...others, configuration })];
  strict = await startInProcess({ ...others, configuration: { ...configuration, dpop: { requireNonce: true } } });
  target = await targetOf(first);
  client = await registerClient(target, { client_name: 'Client with DPoP' });
  person = createHttpPerson();
  [key, thief] = [await createProofKey(), await createProofKey()];
  await createResourceStore(first.database).add({
    url: ADDED,
    identifier: ADDED,
    name: 'Added',
    scopes: { 'added:read': { description: 'Read', sensitive: false } },
    defaultScopes: ['added:read'],
    roles: {},
    proofOfPossession: 'dpop',
    createdAt: first.now(),
  });
  await createClientStore(first.database).register({
    metadata: {
      client_id: MACHINE.id,
      client_name: 'Machine with DPoP',
      token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [],
      grant_types: ['client_credentials'],
      response_types: [],
    },
    permissions: { firstParty: false, allowedResources: [first.mcpUrl, VAULT, ADDED] },
    registration: 'manual',
    secret: MACHINE.secret,
    now: first.now(),
  });
});
afterAll(async () => {
  await Promise.all([...(replicas ?? []), ...(strict ? [strict] : [])].map((server) => server.close()));
  await database?.drop();
});

const prove = (options: Partial<ProofOptions> = {}) => key.prove({ url: target.server.token_endpoint, ...options });

/** Asks a replica, the first one unless another is named, as if it stood behind the issuer's address. */
function ask(params: Params, dpop?: string | string[], server: InProcess = replicas[0]): Promise<JsonAnswer> {
  const { host } = new URL(target.server.issuer);
  const endpoint = { ...target.server, token_endpoint: `http://localhost:${server.port}/token` };
  return requestToken(endpoint, params, { headers: { host, ...(dpop !== undefined && { dpop }) } });
}

const codeOf = (changes: Params = {}): Promise<Code> => obtainCode(target, client, { person, changes });
const exchange = (code: Code, changes: Params = {}): Params => ({ ...codeExchange(target, client, code), ...changes });
const refreshing = (refresh: string): Params => ({
  grant_type: 'refresh_token',
  refresh_token: refresh,
  client_id: client.id,
});
const machine = (resource: string): Params => ({
  grant_type: 'client_credentials',
  client_id: MACHINE.id,
  client_secret: MACHINE.secret,
  resource,
});

function expectRefused(answer: JsonAnswer, error: string): void {
  expect([answer.status, answer.json?.error]).toEqual([400, error]);
}

/** Tokens that are bound to `key`. */
async function boundTokens() {
  return tokensOf(await ask(exchange(await codeOf()), await prove()));
}

test('RFC 9449 section 5.1: the metadata says which proofs are taken', async () => {
  const { text } = await sendRaw(`${target.server.issuer}/.well-known/oauth-authorization-server`);
  expect(JSON.parse(text)).toMatchObject({
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256'],
  });
});

test('SP-11: a proof binds the tokens of a code and of each refresh to its key', async () => {
  const answer = await ask(exchange(await codeOf()), await prove());
  expect(answer.json?.token_type).toBe('DPoP');
  const { access, refresh } = tokensOf(answer);
  expect(readToken(access).claims.cnf).toEqual({ jkt: key.thumbprint });
  const next = await ask(refreshing(refresh), await prove());
  expect(next.json?.token_type).toBe('DPoP');
  expect(readToken(tokensOf(next).access).claims.cnf).toEqual({ jkt: key.thumbprint });
});

test('DPoP stays a choice: without a proof tokens are bearer tokens', async () => {
  const answer = await ask(exchange(await codeOf()));
  expect(answer.json?.token_type).toBe('Bearer');
  expect(readToken(tokensOf(answer).access).claims).not.toHaveProperty('cnf');
});

test('SP-11: a stolen refresh token is worth nothing without the key, and its owner loses nothing', async () => {
  const { refresh } = await boundTokens();
  expectRefused(await ask(refreshing(refresh)), 'invalid_grant');
  expectRefused(
    await ask(refreshing(refresh), await thief.prove({ url: target.server.token_endpoint })),
    'invalid_grant',
  );
  expectRefused(
    await ask(refreshing(refresh), await prove({ header: { jwk: thief.publicJwk } })),
    'invalid_dpop_proof',
  );
  tokensOf(await ask(refreshing(refresh), await prove()));
});

describe('SP-11: a bad proof gets no token and burns no code', () => {
  let code: Code;
  beforeAll(async () => {
    code = await codeOf();
  });
  afterAll(async () => {
    tokensOf(await ask(exchange(code), await prove()));
  });

  const seconds = () => Math.floor(Date.now() / 1000);
  test.each<[string, () => Partial<ProofOptions>]>([
    ['another method', () => ({ method: 'GET' })],
    ['another URL', () => ({ url: `${target.server.issuer}/authorize` })],
    ['another host', () => ({ url: 'https://evil.example/token' })],
    ['the address of the replica', () => ({ url: `http://localhost:${replicas[1].port}/token` })],
    ['more than a minute ahead', () => ({ claims: { iat: seconds() + 65 } })],
    ['no time', () => ({ claims: { iat: undefined } })],
    ['no identifier', () => ({ claims: { jti: undefined } })],
    ['another type', () => ({ header: { typ: 'JWT' } })],
    ['no key', () => ({ header: { jwk: undefined } })],
    ['a private key inside', () => ({ header: { jwk: key.privateJwk } })],
    ['a thief’s signature', () => ({ header: { jwk: thief.publicJwk } })],
    [
      'a symmetric algorithm',
      () => {
        const secret = randomBytes(32);
        return { header: { alg: 'HS256', jwk: { kty: 'oct', k: secret.toString('base64url') } }, key: secret };
      },
    ],
  ])('%s', async (_what, spoilt) => {
    expectRefused(await ask(exchange(code), await prove(spoilt())), 'invalid_dpop_proof');
  });

  // Its clock may be wrong rather than its intent: with a nonce the clock no longer matters.
  test('five minutes ago: it is told to use a nonce instead', async () => {
    const answer = await ask(exchange(code), await prove({ claims: { iat: seconds() - 305 } }));
    expectRefused(answer, 'use_dpop_nonce');
    expect(answer.headers['dpop-nonce']).toMatch(/./);
  });

  test('no signature', async () => {
    const [, claims] = (await prove()).split('.');
    const header = JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk: key.publicJwk });
    const proof = `${Buffer.from(header).toString('base64url')}.${claims}.`;
    expectRefused(await ask(exchange(code), proof), 'invalid_dpop_proof');
  });

  test('two proofs', async () => {
    expectRefused(await ask(exchange(code), [await prove(), await prove()]), 'invalid_dpop_proof');
  });

  test('no JWT', async () => expectRefused(await ask(exchange(code), 'nonsense'), 'invalid_dpop_proof'));
});

describe('SP-11: a proof is taken once', () => {
  test('of eight simultaneous uses at two replicas exactly one gets a token', async () => {
    for (let round = 0; round < rounds(50); round++) {
      const proof = await prove();
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => ask(machine(target.mcpUrl), proof, replicas[i % 2])),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      for (const loser of answers.filter(({ status }) => status !== 200)) expectRefused(loser, 'invalid_dpop_proof');
    }
    // They count as nobody's failed authentication, or a replay would lock its owner out.
    tokensOf(await ask(machine(target.mcpUrl), await prove()));
  });

  test('also for a refresh, which does not use the token up', async () => {
    const [{ refresh: first }, { refresh: second }] = [await boundTokens(), await boundTokens()];
    const proof = await prove();
    tokensOf(await ask(refreshing(first), proof));
    expectRefused(await ask(refreshing(second), proof, replicas[1]), 'invalid_dpop_proof');
    tokensOf(await ask(refreshing(second), await prove()));
  });

  test('also when it came early and waited until the engine would have forgotten it', async () => {
    const [server] = replicas;
    const proof = await prove({ claims: { iat: Math.floor(Date.now() / 1000) + 55 } });
    tokensOf(await ask(machine(target.mcpUrl), proof, server));
    server.pass(330);
    expectRefused(await ask(machine(target.mcpUrl), proof, server), 'invalid_dpop_proof');
    server.pass(-330);
  });
});

describe('RFC 9449 section 10: a code that was asked for with dpop_jkt', () => {
  test('is worth nothing without the key, and waits for its owner', async () => {
    const code = await codeOf({ dpop_jkt: key.thumbprint });
    expectRefused(await ask(exchange(code)), 'invalid_grant');
    expectRefused(await ask(exchange(code), await thief.prove({ url: target.server.token_endpoint })), 'invalid_grant');
    tokensOf(await ask(exchange(code), await prove()));
  });
});

test('RFC 9449 section 5.2: a client that registered for bound tokens gets no others', async () => {
  const bound = await registerClient(target, { client_name: 'Always bound', dpop_bound_access_tokens: true });
  const code = await obtainCode(target, bound, { person });
  expectRefused(await ask(codeExchange(target, bound, code)), 'invalid_grant');
  tokensOf(await ask(codeExchange(target, bound, code), await prove()));
});

describe('SP-11: nonces', () => {
  test('where they are required, a proof without one is answered with one, which every replica takes', async () => {
    const code = await codeOf();
    const bare = await ask(exchange(code), await prove(), strict);
    expectRefused(bare, 'use_dpop_nonce');
    const nonce = String(bare.headers['dpop-nonce']);
    for (const wrong of ['made up', target.server.issuer]) {
      expectRefused(await ask(exchange(code), await prove({ claims: { nonce: wrong } }), strict), 'use_dpop_nonce');
    }
    tokensOf(await ask(machine(target.mcpUrl), await prove({ claims: { nonce } }), replicas[1]));
    tokensOf(await ask(exchange(code), await prove({ claims: { nonce } }), strict));
  });

  test('where they are not, one that is none of ours is refused all the same', async () => {
    const answer = await ask(machine(target.mcpUrl), await prove({ claims: { nonce: 'made up' } }));
    expectRefused(answer, 'use_dpop_nonce');
    expect(answer.headers['dpop-nonce']).toMatch(/./);
  });

  test('a browser client can read them', async () => {
    const app = await registerClient(target, {
      client_name: 'Browser app',
      redirect_uris: ['https://app.example/callback'],
    });
    const answer = await requestToken(
      target.server,
      { ...refreshing('none'), client_id: app.id },
      { headers: { origin: 'https://app.example', dpop: await prove() } },
    );
    expect(answer.headers['access-control-expose-headers']?.toLowerCase()).toContain('dpop-nonce');
    expect(answer.headers['dpop-nonce']).toMatch(/./);
  });
});

describe('SP-11: a resource that demands DPoP', () => {
  test('gets no bearer token for a code or a refresh, and nothing is burnt by asking', async () => {
    const vault = { resource: VAULT, scope: 'vault:read' };
    const code = await codeOf(vault);
    for (const resource of [VAULT, undefined]) {
      const refused = await ask(exchange(code, { resource }));
      expectRefused(refused, 'invalid_request');
      expect(refused.json?.error_description).toContain('send a DPoP proof');
    }
    const { access, refresh } = tokensOf(await ask(exchange(code, { resource: VAULT }), await prove()));
    expect(readToken(access).claims).toMatchObject({ aud: VAULT, cnf: { jkt: key.thumbprint } });
    expectRefused(await ask(refreshing(refresh)), 'invalid_request');
    tokensOf(await ask(refreshing(refresh), await prove()));
  });

  test.each([
    ['of the configuration', VAULT],
    ['that was added', ADDED],
  ])('gets none for a machine: one %s', async (_which, url) => {
    expectRefused(await ask(machine(url), undefined, replicas[1]), 'invalid_request');
    const { access } = tokensOf(await ask(machine(url), await prove(), replicas[1]));
    expect(readToken(access).claims.cnf).toEqual({ jkt: key.thumbprint });
  });
});
