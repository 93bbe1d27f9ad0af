import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createGuard, type Guard } from '@portcullis/guard';
import { createEnvelope, createSigningKeyStore } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { importJWK, SignJWT } from 'jose';
import {
  createHttpPerson,
  discover,
  dumpDatabase,
  dumpText,
  readToken,
  requestToken,
  sendRaw,
} from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  type Target,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type InProcess, MASTER_KEY, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

/** Days pass for the engine too, which asks nobody for the time. Timers go on as they are. */
beforeAll(() => {
  jest.useFakeTimers({
    doNotFake: [
      ...(['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const),
      ...(['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const),
    ],
  });
});
afterAll(() => {
  jest.useRealTimers();
});

function pass(seconds: number): void {
  jest.setSystemTime(Date.now() + seconds * 1000);
}

/** What a key set shows of its keys, without the names of the rest. */
type PublicKey = { kid: string; alg: string };

async function keySetOf({ port, issuer }: Pick<InProcess, 'port' | 'issuer'>): Promise<PublicKey[]> {
  const { host } = new URL(issuer);
  const { text } = await sendRaw(new URL(`http://localhost:${port}/jwks`), { headers: { host } });
  return JSON.parse(text).keys;
}

const kidsOf = async (server: Pick<InProcess, 'port' | 'issuer'>) => (await keySetOf(server)).map(({ kid }) => kid);
const kidOf = (token: string) => String(readToken(token).header.kid);
const storeOf = ({ database }: InProcess) => createSigningKeyStore(database, createEnvelope(MASTER_KEY));

/** A guard of somebody's MCP server, on the clock of the authorization server. */
function guardOf(server: InProcess): Guard {
  return createGuard({
    issuer: server.issuer,
    resource: server.mcpUrl,
    scopes: { supported: [], baseline: [] },
    now: server.now,
  });
}

async function verdict(guard: Guard, token: string): Promise<string> {
  const answer = await guard.verifyToken(token);
  return answer.ok ? 'ok' : answer.refusal.reason;
}

/** Signs in as the owner; a person who has a session goes straight through. */
async function signIn(
  target: Target,
  person = createHttpPerson(),
): Promise<{ access: string; refresh: string; client: string }> {
  const client = await registerClient(target);
  const code = await obtainCode(target, client, { person });
  return { ...tokensOf(await redeem(target, client, { code })), client: client.id };
}

async function refreshed(target: Target, { refresh, client }: { refresh: string; client: string }) {
  return tokensOf(
    await requestToken(target.server, { grant_type: 'refresh_token', refresh_token: refresh, client_id: client }),
  );
}

describe('SP-13: signing keys take turns without a restart', () => {
  let database: TestDatabase;
  let server: InProcess;
  let target: Target;
  const times = { rotationSeconds: 1000, publishSeconds: 400, overlapSeconds: 700, jwksMaxAgeSeconds: 200 };

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration: { signingKeys: times } });
    target = await targetOf(server);
  });
  afterAll(async () => {
    await server?.close();
    await database?.drop();
  });

  test('the next key is published before it signs, and the one before it for as long as its tokens live', async () => {
    const guard = guardOf(server);
    const [first = '', second = '', ...none] = await kidsOf(server);
    expect(none).toEqual([]);
    let tokens = await signIn(target);
    expect(kidOf(tokens.access)).toBe(first);

    // Its turn comes by the clock; nobody has to look after the keys for that.
    pass(999);
    tokens = { ...tokens, ...(await refreshed(target, tokens)) };
    const last = tokens.access;
    expect(kidOf(last)).toBe(first);
    pass(2);
    tokens = { ...tokens, ...(await refreshed(target, tokens)) };
    expect(kidOf(tokens.access)).toBe(second);
    expect(await verdict(guard, last)).toBe('ok');
    expect(await verdict(guard, tokens.access)).toBe('ok');
    expect(await kidsOf(server)).toEqual([second, first]);
    await server.keepKeys();
    expect(await kidsOf(server)).toEqual([second, first, expect.any(String)]);

    pass(297);
    expect(await verdict(guard, last)).toBe('ok');
    pass(402);
    expect(await kidsOf(server)).toEqual([second, expect.not.stringMatching(first)]);
    await server.keepKeys();
    expect((await storeOf(server).find(first))?.retiredAt).toBeInstanceOf(Date);
  });

  test('a token that is signed with a retired key is refused, whoever signed it', async () => {
    const { keys } = await storeOf(server).load();
    const [stolen] = keys;
    if (!stolen) throw new Error('no key');
    const key = await importJWK({ ...stolen.jwk, alg: stolen.alg });
    const forge = () => {
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: server.issuer, aud: server.mcpUrl, sub: 'u', client_id: 'c', iat: now, exp: now + 3600 };
      return new SignJWT({ ...claims, jti: 'j', gid: 'g', scope: 'desk:read', roles: [] })
        .setProtectedHeader({ alg: stolen.alg, typ: 'at+jwt', kid: stolen.kid })
        .sign(key);
    };
    const guard = guardOf(server);
    expect(await verdict(guard, await forge())).toBe('ok');
    pass(1000);
    await server.keepKeys();
    pass(700);
    expect(await kidsOf(server)).not.toContain(stolen.kid);
    expect(await verdict(guard, await forge())).toBe('unknown_key');
  });

  test('the key set may be cached for less than a key is published before it signs, and is cheap to ask for again', async () => {
    const first = await sendRaw(new URL(`${server.issuer}/jwks`));
    expect(first.headers).toMatchObject({ 'cache-control': 'public, max-age=200', etag: expect.any(String) });
    const ask = (etag: string) => sendRaw(new URL(`${server.issuer}/jwks`), { headers: { 'if-none-match': etag } });
    expect(await ask(String(first.headers.etag))).toMatchObject({ status: 304, text: '' });
    expect((await ask('"another"')).status).toBe(200);
    for (const key of JSON.parse(first.text).keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    }
  });
});

describe('several replicas', () => {
  test('SP-13: eight that start at once, and eight that find the next key due, make one key each time', async () => {
    for (let round = 0; round < rounds(10); round += 1) {
      const database = await createTestDatabase();
      const first = await startInProcess({ databaseUrl: database.url });
      await first.database.prisma.signingKey.deleteMany();
      const others = await Promise.all(
        Array.from({ length: 7 }, () => startInProcess({ databaseUrl: database.url, issuer: first.issuer })),
      );
      const all = [first, ...others];
      try {
        await Promise.all(all.map((server) => server.keepKeys()));
        expect(await storeOf(first).list({ limit: 9 })).toMatchObject([{ sequence: 2 }, { sequence: 1 }]);
        pass(31 * 24 * 3600);
        await Promise.all(all.map((server) => server.keepKeys()));
        expect(await storeOf(first).list({ limit: 9 })).toMatchObject([
          { sequence: 3 },
          { sequence: 2 },
          { sequence: 1, retiredAt: expect.any(Date) },
        ]);
        await Promise.all(all.map((server) => server.keepKeys()));
        const sets = await Promise.all(all.map(kidsOf));
        expect(new Set(sets.map((kids) => kids.join())).size).toBe(1);
      } finally {
        for (const server of all) await server.close();
        await database.drop();
      }
    }
  });
});

describe('algorithms', () => {
  test.each(['EdDSA', 'RS256'] as const)('%s, where it is configured', async (algorithm) => {
    const database = await createTestDatabase();
    const server = await startInProcess({
      databaseUrl: database.url,
      env: OWNER_ENV,
      configuration: { signingKeys: { algorithm } },
    });
    try {
      const target = await targetOf(server);
      const { access } = await signIn(target);
      expect(readToken(access).header).toMatchObject({ alg: algorithm, typ: 'at+jwt' });
      expect(await verdict(guardOf(server), access)).toBe('ok');
      const admin = await adminTokens(target, { scope: 'admin:audit' });
      expect((await callAdmin(server.issuer, { token: admin.access, path: '/status' })).status).toBe(200);
      const text = dumpText(await dumpDatabase(database.url));
      for (const { jwk } of (await storeOf(server).load()).keys) expect(text).not.toContain(jwk.d);
    } finally {
      await server.close();
      await database.drop();
    }
  });

  test('another one is changed to while clients and tokens of the first are about', async () => {
    const database = await createTestDatabase();
    const before = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
    const tokens = await signIn(await targetOf(before));
    // The next key exists already, and is of the first kind too.
    const after = await startInProcess({
      databaseUrl: database.url,
      issuer: before.issuer,
      configuration: { signingKeys: { algorithm: 'EdDSA' } },
    });
    try {
      const target: Target = {
        mcpUrl: before.mcpUrl,
        server: { ...(await discover(before.issuer)), token_endpoint: `http://localhost:${after.port}/token` },
      };
      const { host } = new URL(before.issuer);
      let { refresh } = tokens;
      const seen = [];
      for (let month = 0; month < 4; month += 1) {
        await after.keepKeys();
        const answer = await requestToken(
          target.server,
          { grant_type: 'refresh_token', refresh_token: refresh, client_id: tokens.client },
          { headers: { host } },
        );
        const { access, refresh: next } = tokensOf(answer);
        refresh = next;
        seen.push(readToken(access).header.alg);
        pass(29.9 * 24 * 3600);
      }
      expect(seen).toEqual(['ES256', 'ES256', 'ES256', 'EdDSA']);
      expect((await keySetOf(after)).map(({ alg }) => alg)).not.toContain('ES256');
    } finally {
      await after.close();
      await before.close();
      await database.drop();
    }
  });
});

describe('keys of cookies', () => {
  const PERIOD_SECONDS = 30 * 24 * 3600;

  test('a session survives a change of the keys that sign cookies', async () => {
    const database = await createTestDatabase();
    const server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
    try {
      // An hour before the keys change, and an hour after it.
      pass(PERIOD_SECONDS - ((Date.now() / 1000) % PERIOD_SECONDS) - 3600);
      const target = await targetOf(server);
      const person = createHttpPerson();
      await signIn(target, person);
      pass(7200);
      const client = await registerClient(target, { client_name: 'Another client' });
      const step = await person.open(authorizationRequest(target, client).url);
      // No password is asked for: the page asks what the new client may do.
      expect(step.answer.text).toContain('name="scope"');
      expect(step.answer.text).not.toContain('name="password"');
    } finally {
      await server.close();
      await database.drop();
    }
  });
});
