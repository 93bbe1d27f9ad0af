import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore, createLinkedIdentityStore, createUserStore } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { generateKeyPair } from 'jose';
import type { DocumentOrigin, JsonAnswer } from '../../src/index.ts';
import {
  answerJson,
  answerStatus,
  createHttpPerson,
  forgeToken,
  readToken,
  requestToken,
  sendJson,
  signWithHmac,
  startDocumentOrigin,
} from '../../src/index.ts';
import { act, join, type Member, signInAtAccount, words } from './support/account.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import { registerClient, type Target, targetOf } from './support/authorization.ts';
import { ageDocuments, networkTo, publish } from './support/document-client.ts';
import { type AssertionChanges, createIdentityProvider, type IdentityProvider } from './support/identity-provider.ts';
import { type BeforeQuery, type InProcess, startInProcess } from './support/in-process.ts';
import { listeningGuard, registerResourceServer } from './support/listening-guard.ts';
import { sampleOf } from './support/metrics-text.ts';
import { OWNER_ENV } from './support/owner.ts';
import { createProofKey } from './support/proof-key.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const VAULT = 'https://vault.example/mcp';
const AGENT = { id: 'enterprise-agent', secret: 'a secret of many random bits' };
const LIMITED = { id: 'limited-agent', secret: 'another secret of many random bits' };
const NAMED = 'https://app.example/client.json';
const HOSTS = [
  'idp.example',
  'closed.example',
  'other.example',
  'away.example',
  'app.example',
  'liar.example',
  'strict.example',
];
const SUBJECT = 'U019488227';

type Params = Record<string, string | undefined>;

let database: TestDatabase;
let origin: DocumentOrigin;
/** Trusted, makes users of people in one domain. */
let provider: IdentityProvider;
/** Trusted for one client, one scope and one tenant, and makes nobody a user. */
let closed: IdentityProvider;
/** Nobody trusts it. */
let stranger: IdentityProvider;
/** Two replicas on one database. */
let replicas: [InProcess, InProcess];
let target: Target;
let member: Member;
/** What comes between two steps of the first replica. */
let beforeQuery: BeforeQuery = () => undefined;

const configuration = {
  resources: {
    [VAULT]: {
      name: 'Vault',
      scopes: { 'vault:read': { description: 'Read the vault' } },
      defaultScopes: ['vault:read'],
      proofOfPossession: 'dpop',
    },
  },
  roles: { agent: ['desk:read', 'desk:write', 'vault:read'] },
  enterpriseAuthorization: {
    identityProviders: {
      'https://idp.example': { newUsers: { emailDomains: ['acme.example'], roles: ['agent'] } },
      'https://closed.example': { clients: [AGENT.id, NAMED], scopes: ['desk:read'], tenant: 'acme' },
      'https://away.example': {},
      'https://liar.example': {},
      'https://strict.example': { algorithms: ['ES256'] },
    },
  },
};

beforeAll(async () => {
  database = await createTestDatabase();
  origin = await startDocumentOrigin(HOSTS);
  provider = await createIdentityProvider(origin, 'https://idp.example');
  closed = await createIdentityProvider(origin, 'https://closed.example');
  stranger = await createIdentityProvider(origin, 'https://other.example');
  const options = { databaseUrl: database.url, configuration, network: networkTo(origin) };
  const first = await startInProcess({ ...options, env: OWNER_ENV, beforeQuery: (query) => beforeQuery(query) });
  replicas = [first, await startInProcess({ ...options, issuer: first.issuer })];
  target = await targetOf(first);
  member = await join(first, 'worker@acme.example', ['agent']);
  for (const issuer of [provider.issuer, closed.issuer, 'https://liar.example'])
    await createLinkedIdentityStore(first.database).link({
      issuer,
      subject: SUBJECT,
      userId: member.userId,
      now: first.now(),
    });
  await registerAgent(AGENT, {});
  await registerAgent(LIMITED, { allowedScopes: ['desk:write'], allowedResources: [first.mcpUrl] });
  publish(origin, NAMED);
});
afterAll(async () => {
  await Promise.all((replicas ?? []).map((server) => server.close()));
  await origin?.close();
  await database?.drop();
});

async function registerAgent({ id, secret }: typeof AGENT, permissions: object): Promise<void> {
  await createClientStore(replicas[0].database).register({
    metadata: {
      client_id: id,
      client_name: id,
      token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: ['https://agent.example/callback'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
    permissions: { firstParty: false, ...permissions },
    registration: 'manual',
    secret,
    now: replicas[0].now(),
  });
}

/** Claims that are right in all respects. */
const good = () => ({
  sub: SUBJECT,
  aud: target.server.issuer,
  client_id: AGENT.id,
  resource: target.mcpUrl,
  scope: 'desk:read desk:write',
});

const assertionOf = (changes: AssertionChanges = {}, by = provider) => by.assert(good(), changes);

/** Trades an assertion, at the first replica unless another is named. */
function trade(assertion: string | undefined, params: Params = {}, o: { dpop?: string; at?: InProcess } = {}) {
  const { host } = new URL(target.server.issuer);
  const endpoint = { ...target.server, token_endpoint: `http://localhost:${(o.at ?? replicas[0]).port}/token` };
  const asAgent = params.client_id === undefined ? { client_id: AGENT.id, client_secret: AGENT.secret } : {};
  return requestToken(
    endpoint,
    { grant_type: GRANT, assertion, ...asAgent, ...params },
    { headers: { host, ...(o.dpop !== undefined && { dpop: o.dpop }) } },
  );
}

function claimsOf(answer: JsonAnswer): Record<string, unknown> {
  if (answer.status !== 200) throw new Error(answer.text);
  return readToken(String(answer.json?.access_token)).claims;
}

const verdictOf = ({ status, json }: JsonAnswer) => [status, json?.error];

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

describe('an assertion of a trusted identity provider', () => {
  test('EX-6: the metadata names the grant and its profile, and neither where no provider is configured', async () => {
    const { json } = await sendJson(`${target.server.issuer}/.well-known/oauth-authorization-server`, {});
    expect(json?.grant_types_supported).toContain(GRANT);
    expect(json?.authorization_grant_profiles_supported).toEqual(['urn:ietf:params:oauth:grant-profile:id-jag']);
    const off = await startInProcess({ databaseUrl: database.url, issuer: target.server.issuer });
    try {
      const answer = await trade(await assertionOf(), {}, { at: off });
      expect(verdictOf(answer)).toEqual([400, 'unsupported_grant_type']);
      const { host } = new URL(target.server.issuer);
      const url = `http://localhost:${off.port}/.well-known/oauth-authorization-server`;
      const metadata = await sendJson(url, { headers: { host } });
      expect(metadata.json?.grant_types_supported).not.toContain(GRANT);
      expect(metadata.json).not.toHaveProperty('authorization_grant_profiles_supported');
    } finally {
      await off.close();
    }
  });

  test('EX-7, EX-10: becomes an access token for its resource alone, and never a refresh token', async () => {
    const answer = await trade(await assertionOf());
    expect(answer.json).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'desk:read desk:write',
    });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(claimsOf(answer)).toMatchObject({
      iss: target.server.issuer,
      sub: member.userId,
      aud: target.mcpUrl,
      client_id: AGENT.id,
      scope: 'desk:read desk:write',
      roles: ['agent'],
      gid: expect.any(String),
    });
    expect(readToken(String(answer.json?.access_token)).header.typ).toBe('at+jwt');
  });

  test('EX-8: an audience that is a list of us alone counts, and so does one resource in a list', async () => {
    const claims = { aud: [target.server.issuer], resource: [target.mcpUrl] };
    expect(claimsOf(await trade(await assertionOf({ claims }))).aud).toBe(target.mcpUrl);
  });

  test('EX-7: a client with a metadata document may use it, once it is named', async () => {
    const claims = { client_id: NAMED, tenant: 'acme' };
    const assertion = await assertionOf({ claims }, closed);
    const answer = await trade(assertion, { client_id: NAMED });
    expect(claimsOf(answer)).toMatchObject({ client_id: NAMED, scope: 'desk:read', sub: member.userId });
    const unnamed = await assertionOf({ claims: { client_id: NAMED } });
    expect(verdictOf(await trade(unnamed, { client_id: NAMED }))).toEqual([400, 'unauthorized_client']);
  });

  test('SP-11: a DPoP proof binds the token, and a bound assertion is worth nothing without its key', async () => {
    const key = await createProofKey();
    const prove = (by = key) => by.prove({ url: target.server.token_endpoint });
    const answer = await trade(await assertionOf(), {}, { dpop: await prove() });
    expect(answer.json?.token_type).toBe('DPoP');
    expect(claimsOf(answer).cnf).toEqual({ jkt: key.thumbprint });

    const claims = { cnf: { jkt: key.thumbprint } };
    const bound = await assertionOf({ claims });
    expect(verdictOf(await trade(bound))).toEqual([400, 'invalid_grant']);
    const foreign = await prove(await createProofKey());
    expect(verdictOf(await trade(bound, {}, { dpop: foreign }))).toEqual([400, 'invalid_grant']);
    expect(claimsOf(await trade(bound, {}, { dpop: await prove() })).cnf).toEqual({ jkt: key.thumbprint });

    const used = await prove();
    expect((await trade(await assertionOf(), {}, { dpop: used })).status).toBe(200);
    expect(verdictOf(await trade(await assertionOf(), {}, { dpop: used }))).toEqual([400, 'invalid_dpop_proof']);
  });

  test('a resource that demands bound tokens gets no other', async () => {
    const claims = { resource: VAULT, scope: 'vault:read' };
    expect(verdictOf(await trade(await assertionOf({ claims })))).toEqual([400, 'invalid_grant']);
    const dpop = await (await createProofKey()).prove({ url: target.server.token_endpoint });
    expect(claimsOf(await trade(await assertionOf({ claims }), {}, { dpop }))).toMatchObject({ aud: VAULT });
  });
});

describe('EX-8: an assertion is refused', () => {
  const HOUR = 3600;
  test.each<[string, () => AssertionChanges]>([
    ['of another type', () => ({ header: { typ: 'JWT' } })],
    ['without a type', () => ({ header: { typ: undefined } })],
    ['that is an access token', () => ({ header: { typ: 'at+jwt' } })],
    ['for another audience', () => ({ claims: { aud: 'https://elsewhere.example' } })],
    ['for two audiences', () => ({ claims: { aud: [target.server.issuer, 'https://elsewhere.example'] } })],
    ['for our token endpoint', () => ({ claims: { aud: target.server.token_endpoint } })],
    ['without an audience', () => ({ claims: { aud: undefined } })],
    ['for another client', () => ({ claims: { client_id: LIMITED.id } })],
    ['without a client', () => ({ claims: { client_id: undefined } })],
    ['without a subject', () => ({ claims: { sub: undefined } })],
    ['without an identifier', () => ({ claims: { jti: undefined } })],
    ['without an end', () => ({ claims: { exp: undefined } })],
    ['without a beginning', () => ({ claims: { iat: undefined } })],
    ['that has expired', () => ({ claims: { iat: inSeconds(-400), exp: inSeconds(-100) } })],
    ['that lives too long', () => ({ claims: { exp: inSeconds(HOUR + 60) } })],
    ['from the future', () => ({ claims: { iat: inSeconds(120), exp: inSeconds(300) } })],
    ['that is not good yet', () => ({ claims: { nbf: inSeconds(120) } })],
    ['for no resource', () => ({ claims: { resource: undefined } })],
    ['for an unknown resource', () => ({ claims: { resource: 'https://elsewhere.example/mcp' } })],
    ['for two resources', () => ({ claims: { resource: [target.mcpUrl, VAULT] } })],
    ['for the admin API', () => ({ claims: { resource: `${target.server.issuer}/admin`, scope: 'admin:users' } })],
    ['with a scope that its resource does not have', () => ({ claims: { scope: 'desk:read vault:read' } })],
    ['of a tenant that nobody configured', () => ({ claims: { tenant: 'acme' } })],
    ['with details that nobody here understands', () => ({ claims: { authorization_details: [{ type: 'desk' }] } })],
    ['about somebody who is not known here', () => ({ claims: { sub: 'U-nobody' } })],
  ])('%s', async (_what, spoil) => {
    expect(verdictOf(await trade(await assertionOf(spoil())))).toEqual([400, 'invalid_grant']);
  });

  test("without a signature, or with one that is not the provider's", async () => {
    const { publicJwk, publicPem } = provider;
    const claims = { ...readToken(await assertionOf()).claims };
    const typ = 'oauth-id-jag+jwt';
    const { kid } = publicJwk;
    const forged = [
      forgeToken({ alg: 'none', typ }, claims),
      forgeToken({ alg: 'none', typ, kid }, claims),
      forgeToken({ alg: 'HS256', typ, kid }, claims, signWithHmac(publicPem)),
      forgeToken({ alg: 'HS256', typ, kid }, claims, signWithHmac(JSON.stringify(publicJwk))),
      forgeToken({ alg: 'RS256', typ, kid }, claims),
      await assertionOf({ key: (await generateKeyPair('RS256')).privateKey }),
      await assertionOf({ header: { alg: 'ES256' }, key: (await generateKeyPair('ES256')).privateKey }),
      'no assertion',
      '',
      'x'.repeat(20_000),
    ];
    for (const assertion of forged) expect(verdictOf(await trade(assertion))).toEqual([400, 'invalid_grant']);
    expect(verdictOf(await trade(undefined))).toEqual([400, 'invalid_grant']);
  });

  test('under an algorithm that its provider is not trusted with', async () => {
    const strict = await createIdentityProvider(origin, 'https://strict.example');
    const links = createLinkedIdentityStore(replicas[0].database);
    await links.link({ issuer: strict.issuer, subject: SUBJECT, userId: member.userId, now: new Date() });
    expect(verdictOf(await trade(await assertionOf({}, strict)))).toEqual([400, 'invalid_grant']);
  });

  test('of a provider that is not trusted, also when it says that it is another or brings its own key', async () => {
    const before = origin.requests.length;
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = (await crypto.subtle.exportKey('jwk', publicKey)) as Record<string, unknown>;
    const attempts = [
      await stranger.assert(good()),
      await stranger.assert(good(), { claims: { iss: provider.issuer } }),
      await stranger.assert(good(), { claims: { iss: `${provider.issuer}/` } }),
      await stranger.assert(good(), { claims: { iss: '__proto__' } }),
      await assertionOf({ header: { jwk, kid: undefined }, key: privateKey }),
      await assertionOf({ header: { jku: stranger.jwksUri, kid: 'none' }, key: privateKey }),
    ];
    for (const assertion of attempts) expect(verdictOf(await trade(assertion))).toEqual([400, 'invalid_grant']);
    expect(origin.requests.slice(before).filter((url) => url.startsWith(stranger.issuer))).toEqual([]);
  });

  test('of another client that authenticates, or of one that does not', async () => {
    const limited = { client_id: LIMITED.id, client_secret: LIMITED.secret };
    expect(verdictOf(await trade(await assertionOf(), limited))).toEqual([400, 'invalid_grant']);
    const wrong = { client_id: AGENT.id, client_secret: 'guessed' };
    expect(verdictOf(await trade(await assertionOf(), wrong))).toEqual([401, 'invalid_client']);
    const { id } = await registerClient(target);
    const claims = { client_id: id };
    expect(verdictOf(await trade(await assertionOf({ claims }), { client_id: id }))).toEqual([
      400,
      'unauthorized_client',
    ]);
  });

  test('of a provider that was trusted for other clients, another tenant, or for fewer scopes', async () => {
    const tenant = 'acme';
    const forLimited = await assertionOf({ claims: { client_id: LIMITED.id, tenant } }, closed);
    const limited = { client_id: LIMITED.id, client_secret: LIMITED.secret };
    expect(verdictOf(await trade(forLimited, limited))).toEqual([400, 'unauthorized_client']);
    for (const other of [undefined, 'other'])
      expect(verdictOf(await trade(await assertionOf({ claims: { tenant: other } }, closed)))).toEqual([
        400,
        'invalid_grant',
      ]);
    const writing = await assertionOf({ claims: { scope: 'desk:write', tenant } }, closed);
    expect(verdictOf(await trade(writing))).toEqual([400, 'invalid_scope']);
  });
});

describe('EX-9: an assertion works once', () => {
  test('also when it comes eight times at once, at two replicas', async () => {
    for (let round = 0; round < rounds(10); round++) {
      const assertion = await assertionOf();
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) => trade(assertion, {}, { at: replicas[index % 2] ?? replicas[0] })),
      );
      const verdicts = answers.map(verdictOf);
      expect(verdicts.filter(([status]) => status === 200)).toHaveLength(1);
      expect(verdicts.filter(([, error]) => error === 'invalid_grant')).toHaveLength(7);
    }
  });

  test('until its end, at another replica too; what was refused was not used up', async () => {
    const assertion = await assertionOf();
    expect(verdictOf(await trade(assertion, { resource: VAULT }))).toEqual([400, 'invalid_target']);
    expect((await trade(assertion)).status).toBe(200);
    await Promise.all(replicas.map((server) => server.clean()));
    expect(verdictOf(await trade(assertion, {}, { at: replicas[1] }))).toEqual([400, 'invalid_grant']);
  });

  test('two providers may use the same identifier', async () => {
    const jti = randomUUID();
    expect((await trade(await assertionOf({ claims: { jti } }))).status).toBe(200);
    const other = await assertionOf({ claims: { jti, tenant: 'acme' } }, closed);
    expect((await trade(other)).status).toBe(200);
  });
});

describe('EX-11: a token has no more scopes than all sides allow', () => {
  test.each<[string, string | undefined, string | undefined, string]>([
    ['asked for less', 'desk:read desk:write', 'desk:read', 'desk:read'],
    ['asked for more than was asserted', 'desk:read', 'desk:read desk:write', 'desk:read'],
    ['more than the user may grant', 'desk:read desk:admin', undefined, 'desk:read'],
    ['no scopes asserted: the defaults of the resource', undefined, undefined, 'desk:read'],
    ['no scopes asserted and more asked for', undefined, 'desk:read desk:write', 'desk:read'],
  ])('%s', async (_what, asserted, requested, granted) => {
    const answer = await trade(await assertionOf({ claims: { scope: asserted } }), { scope: requested });
    expect([claimsOf(answer).scope, answer.json?.scope]).toEqual([granted, granted]);
  });

  test.each<[string, string, string | undefined]>([
    ['the scope asked for was not asserted', 'desk:read', 'desk:write'],
    ['the user may grant nothing of it', 'desk:admin', undefined],
  ])('nothing is left: %s', async (_what, asserted, requested) => {
    const answer = await trade(await assertionOf({ claims: { scope: asserted } }), { scope: requested });
    expect(verdictOf(answer)).toEqual([400, 'invalid_scope']);
  });

  test('the limits of the client hold, for its scopes and its resources', async () => {
    const limited = { client_id: LIMITED.id, client_secret: LIMITED.secret };
    const claims = { client_id: LIMITED.id };
    expect(claimsOf(await trade(await assertionOf({ claims }), limited)).scope).toBe('desk:write');
    const elsewhere = await assertionOf({ claims: { ...claims, resource: VAULT, scope: 'vault:read' } });
    const dpop = await (await createProofKey()).prove({ url: target.server.token_endpoint });
    expect(verdictOf(await trade(elsewhere, limited, { dpop }))).toEqual([400, 'invalid_target']);
  });

  test('a role that was taken away narrows the next token', async () => {
    const users = createUserStore(replicas[0].database);
    const now = replicas[0].now();
    await users.update({ userId: member.userId, roles: [], now });
    try {
      expect(verdictOf(await trade(await assertionOf()))).toEqual([400, 'invalid_scope']);
    } finally {
      await users.update({ userId: member.userId, roles: ['agent'], now });
    }
  });
});

describe('EX-11: a role that is taken while an assertion is traded', () => {
  const JUDGED = 'replayedIdentifier.use';
  const SIGNED = 'linkedIdentity.updateMany';
  afterEach(() => {
    beforeQuery = () => undefined;
  });

  /** Somebody new with two roles, on whose grant a token stands already or not. */
  async function holder({ hasGrant }: { hasGrant: boolean }) {
    const { database: db, now } = replicas[1];
    const users = createUserStore(db);
    const sub = randomUUID();
    const made = await users.create({ email: `${sub}@acme.example`, roles: ['agent', 'lead'], now: now() });
    if (!made.ok) throw new Error(made.refusal.reason);
    const userId = made.user.id;
    await createLinkedIdentityStore(db).link({ issuer: provider.issuer, subject: sub, userId, now: now() });
    const tradeOne = async () => trade(await assertionOf({ claims: { sub, scope: 'desk:read desk:admin' } }));
    if (hasGrant) expect((await tradeOne()).json?.scope).toBe('desk:read desk:admin');
    const setRoles = (roles: string[]) => users.update({ userId, roles, now: now() });
    return { userId, tradeOne, setRoles };
  }

  /** Does something at the first replica's next step of a kind, once, or at each. */
  function at(step: string, act: () => Promise<unknown>, { always = false } = {}): void {
    let isDone = false;
    beforeQuery = (query) => {
      if (query !== step || isDone) return undefined;
      isDone = !always;
      return act().then(() => undefined);
    };
  }

  test.each([
    ['is judged', JUDGED, false],
    ['is judged, with a grant of before', JUDGED, true],
    ['is signed', SIGNED, false],
    ['is signed, with a grant of before', SIGNED, true],
  ])('is in no token, though it was there when all %s', async (_what, step, hasGrant) => {
    const { tradeOne, setRoles } = await holder({ hasGrant });
    at(step, () => setRoles(['agent']));
    const answer = await tradeOne();
    expect(answer.json?.scope).toBe('desk:read');
    expect(claimsOf(answer)).toMatchObject({ scope: 'desk:read', roles: ['agent'] });
  });

  test('leaves nothing behind where nothing is allowed any more', async () => {
    const { userId, tradeOne, setRoles } = await holder({ hasGrant: false });
    at(JUDGED, () => setRoles([]));
    expect(verdictOf(await tradeOne())).toEqual([400, 'invalid_scope']);
    expect(await replicas[0].database.prisma.grant.count({ where: { userId } })).toBe(0);
  });

  test('is a reason to come back, where roles change again and again', async () => {
    const { tradeOne, setRoles } = await holder({ hasGrant: false });
    const roles = ['agent', 'lead'];
    const another = () => {
      roles.push(`more-${roles.length}`);
      return setRoles(roles);
    };
    at(SIGNED, another, { always: true });
    const answer = await tradeOne();
    expect(verdictOf(answer)).toEqual([503, 'temporarily_unavailable']);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.text).not.toContain('access_token');
  });
});

describe('EX-13: who the subject of an assertion is', () => {
  const as = (sub: string, email?: string, more: object = {}) => ({ claims: { sub, email, ...more } });
  const userNamed = (email: string) => createUserStore(replicas[0].database).findByEmail(email);

  test('an e-mail address leads to nobody who is there already, verified or not', async () => {
    for (const more of [{}, { email_verified: true }, { email_verified: false }]) {
      for (const email of [member.email, 'OWNER@example.com', ` ${member.email} `]) {
        const answer = await trade(await assertionOf(as(randomUUID(), email, more)));
        expect(verdictOf(answer)).toEqual([400, 'invalid_grant']);
      }
    }
  });

  test('somebody new becomes a user where that is configured, with those roles, and stays the same one', async () => {
    const sub = randomUUID();
    const email = `${sub}@acme.example`;
    const first = claimsOf(await trade(await assertionOf(as(sub, email, { email_verified: true }))));
    expect(await userNamed(email)).toMatchObject({ id: first.sub, roles: ['agent'], passwordHash: null });
    const again = claimsOf(await trade(await assertionOf(as(sub, 'renamed@acme.example'))));
    expect(again.sub).toBe(first.sub);
    expect(await userNamed('renamed@acme.example')).toBeUndefined();
  });

  test('of eight first assertions about one person at once, all are about one new user', async () => {
    for (let round = 0; round < rounds(20); round += 1) {
      const sub = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 8 }, async (_, index) =>
          trade(await assertionOf(as(sub, `${sub}@acme.example`)), {}, { at: replicas[index % 2] ?? replicas[0] }),
        ),
      );
      expect(new Set(answers.map((answer) => claimsOf(answer).sub)).size).toBe(1);
    }
  });

  test.each<[string, string | undefined, object]>([
    ['of another domain', 'somebody@evil.example', {}],
    ['of a domain below', 'somebody@sub.acme.example', {}],
    ['of a domain that ends so', 'somebody@notacme.example', {}],
    ['with two addresses in one', 'somebody@evil.example@acme.example', {}],
    ['whose address is not verified', 'unverified@acme.example', { email_verified: false }],
    ['without an address', undefined, {}],
  ])('nobody new becomes a user %s', async (_what, email, more) => {
    const answer = await trade(await assertionOf(as(randomUUID(), email, more)));
    expect(verdictOf(answer)).toEqual([400, 'invalid_grant']);
    if (email !== undefined) expect(await userNamed(email)).toBeUndefined();
  });

  test('a provider without that rule makes nobody a user, and the same subject elsewhere is somebody else', async () => {
    const sub = randomUUID();
    await trade(await assertionOf(as(sub, `${sub}@acme.example`)));
    const elsewhere = await assertionOf(as(sub, 'x@acme.example', { tenant: 'acme' }), closed);
    expect(verdictOf(await trade(elsewhere))).toEqual([400, 'invalid_grant']);
  });

  test('a disabled user gets nothing', async () => {
    const sub = randomUUID();
    const email = `${sub}@acme.example`;
    await trade(await assertionOf(as(sub, email)));
    const user = await userNamed(email);
    if (!user) throw new Error('no user');
    await createUserStore(replicas[1].database).setDisabled({ userId: user.id, disabled: true, now: new Date() });
    expect(verdictOf(await trade(await assertionOf(as(sub, email))))).toEqual([400, 'invalid_grant']);
  });
});

describe('what an assertion allowed', () => {
  test('is one grant that the user sees, and can end; resource servers hear of it', async () => {
    const [server] = replicas;
    const worker = await join(server, 'seen@acme.example', ['agent']);
    const subject = randomUUID();
    const links = createLinkedIdentityStore(server.database);
    await links.link({ issuer: provider.issuer, subject, userId: worker.userId, now: server.now() });
    const claims = { sub: subject };
    const answers = [await trade(await assertionOf({ claims })), await trade(await assertionOf({ claims }))];
    const [gid, ...others] = answers.map((answer) => claimsOf(answer).gid);
    expect(others).toEqual([gid]);

    const { issuer, mcpUrl: resource } = server;
    const credentials = await registerResourceServer(server.database, resource);
    const guard = await listeningGuard({ issuer, resource, revocation: credentials });
    const token = String(answers[0]?.json?.access_token);
    try {
      expect(await guard.verdict(token)).toBe('taken');
      const person = createHttpPerson();
      const page = await signInAtAccount(issuer, person, worker);
      expect(words(page)).toContain('Allowed by https://idp.example');
      expect(words(page)).not.toContain('Allow it less');
      await act(person, page, { path: `/connections/${gid}/disconnect`, action: 'revoke' });
      expect(await guard.untilRefused(token)).toBe('revoked');
    } finally {
      guard.guard.close();
    }
    const next = claimsOf(await trade(await assertionOf({ claims })));
    expect(next.gid).not.toBe(gid);
  });

  test('is counted once as a grant that was given, however many assertions follow', async () => {
    const [server, replica] = replicas;
    const worker = await join(server, 'counted@acme.example', ['agent']);
    const subject = randomUUID();
    const links = createLinkedIdentityStore(server.database);
    await links.link({ issuer: provider.issuer, subject, userId: worker.userId, now: server.now() });
    const counted = async () => {
      const name = 'portcullis_grants_started_total{by="assertion"}';
      const texts = [await server.metrics(), await replica.metrics()];
      return texts.reduce((sum, text) => sum + sampleOf(text, name), 0);
    };
    const before = await counted();
    const eight = Array.from({ length: 8 }, async () => trade(await assertionOf({ claims: { sub: subject } })));
    for (const answer of await Promise.all(eight)) expect(answer.status).toBe(200);
    expect(await counted()).toBe(before + 1);
    await trade(await assertionOf({ claims: { sub: subject } }));
    await trade(await assertionOf({ claims: { sub: subject, client_id: LIMITED.id } }), {
      client_id: LIMITED.id,
      client_secret: LIMITED.secret,
    });
    expect(await counted()).toBe(before + 2);
    await trade('no assertion');
    expect(await counted()).toBe(before + 2);
  });

  test('is listed for administrators with who allowed it', async () => {
    const { gid } = claimsOf(await trade(await assertionOf()));
    const { access: token } = await adminTokens(target);
    const { json } = await callAdmin(target.server.issuer, { token, path: `/grants?user=${member.userId}` });
    expect(json?.items).toContainEqual(
      expect.objectContaining({ id: gid, identityProvider: provider.issuer, clientId: AGENT.id }),
    );
  });

  test('EX-12: is recorded with the provider, the reason of a refusal, and never the assertion', async () => {
    const assertion = await assertionOf({ claims: { client_id: LIMITED.id } });
    const limited = { client_id: LIMITED.id, client_secret: LIMITED.secret };
    await trade(assertion, limited);
    await trade(assertion, limited);
    const { jti } = readToken(assertion).claims;
    const rows = await replicas[0].database.prisma.auditEvent.findMany({
      where: { detail: { contains: String(jti) } },
      orderBy: { id: 'asc' },
    });
    expect(rows.map(({ type, detail }) => [type, JSON.parse(detail ?? '{}')])).toEqual([
      ['token.issued', expect.objectContaining({ identityProvider: provider.issuer, grantId: expect.any(String) })],
      ['token.refused', expect.objectContaining({ identityProvider: provider.issuer, reason: 'replayed' })],
    ]);
    const all = await replicas[0].database.prisma.auditEvent.findMany();
    const [, , signature = ''] = assertion.split('.');
    expect(JSON.stringify(all, (_key, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      signature,
    );
  });
});

describe("a provider's keys", () => {
  test('that cannot be had are a reason to come back, and cost the client nothing', async () => {
    const away = await createIdentityProvider(origin, 'https://away.example');
    origin.set(away.jwksUri, answerStatus(503));
    const assertion = await assertionOf({}, away);
    const answer = await trade(assertion);
    expect(verdictOf(answer)).toEqual([503, 'temporarily_unavailable']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    origin.set(away.jwksUri, answerJson({ keys: [away.publicJwk] }));
    await ageDocuments(replicas[0].database, 60);
    // It is verified now, and the subject is nobody's there.
    expect(verdictOf(await trade(assertion))).toEqual([400, 'invalid_grant']);
  });

  test('EX-12: are fetched once for many assertions, and a new one is found by its id', async () => {
    const fetches = () => origin.requests.filter((url) => url === provider.jwksUri).length;
    await trade(await assertionOf());
    const before = fetches();
    for (let i = 0; i < 3; i++) await trade(await assertionOf());
    expect(fetches()).toBe(before);
    const next = await createIdentityProvider(origin, provider.issuer);
    await ageDocuments(replicas[0].database, 60);
    expect((await trade(await assertionOf({}, next))).status).toBe(200);
    expect(verdictOf(await trade(await assertionOf()))).toEqual([400, 'invalid_grant']);
    provider = next;
  });

  test('are not those of metadata that names another issuer', async () => {
    const liar = await createIdentityProvider(origin, 'https://liar.example');
    const url = `${liar.issuer}/.well-known/openid-configuration`;
    origin.set(url, answerJson({ issuer: provider.issuer, jwks_uri: liar.jwksUri }));
    expect(verdictOf(await trade(await assertionOf({}, liar)))).toEqual([503, 'temporarily_unavailable']);
  });

  test.each([
    ['its metadata', 'https://idp.example', 'https://inside.example/keys'],
    ['the configuration', undefined, 'https://inside.example/keys'],
  ])('AS-30: are not fetched from a private address, whoever names it: %s', async (_what, discovered, jwksUri) => {
    const inside = await createIdentityProvider(origin, 'https://app.example');
    origin.set(
      'https://app.example/.well-known/openid-configuration',
      answerJson({ issuer: inside.issuer, jwks_uri: jwksUri }),
    );
    const fresh = await createTestDatabase();
    const server = await startInProcess({
      databaseUrl: fresh.url,
      issuer: target.server.issuer,
      configuration: {
        enterpriseAuthorization: {
          identityProviders: { [inside.issuer]: { ...(discovered === undefined && { jwksUri }) } },
        },
      },
      network: {
        ...networkTo(origin),
        lookup: async (host) => [{ address: host === 'inside.example' ? '10.0.0.1' : '127.0.0.1', family: 4 }],
        mayConnectTo: (address) => address === '127.0.0.1',
      },
    });
    try {
      await createClientStore(server.database).register({
        metadata: {
          client_id: AGENT.id,
          client_name: AGENT.id,
          token_endpoint_auth_method: 'client_secret_post',
          redirect_uris: ['https://agent.example/callback'],
          grant_types: ['authorization_code'],
          response_types: ['code'],
        },
        permissions: { firstParty: false },
        registration: 'manual',
        secret: AGENT.secret,
        now: server.now(),
      });
      const answer = await trade(await assertionOf({}, inside), {}, { at: server });
      expect(verdictOf(answer)).toEqual([503, 'temporarily_unavailable']);
      expect(origin.requests.filter((url) => url.startsWith('https://inside.example'))).toEqual([]);
    } finally {
      await server.close();
      await fresh.drop();
    }
  });
});
