import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createGrantStore, createRevocationLog, createUserStore, hashToken, type User } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson, readToken, requestToken } from '../../src/index.ts';
import {
  codeExchange,
  obtainCode,
  registerClient,
  type Target,
  type TestClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type AroundTransaction, type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamily, type Family, grantIdOf, refreshRequest } from './support/refreshing.ts';

const SCOPE = 'desk:read desk:write';

let testDatabase: TestDatabase;
/** Where the user is served. */
let server: InProcess;
/** Where the client asks for tokens: a replica, whose transactions can be held. */
let replica: InProcess;
let target: Target;
let client: TestClient;
let person: HttpPerson;
let owner: User;
let aroundTransaction: AroundTransaction = (run) => run();

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
  replica = await startInProcess({
    databaseUrl: testDatabase.url,
    issuer: server.issuer,
    aroundTransaction: (run) => aroundTransaction(run),
  });
  target = await targetOf(server);
  client = await registerClient(target);
  person = createHttpPerson();
  const found = await createUserStore(server.database).findByEmail(OWNER_ENV.PORTCULLIS_ADMIN_EMAIL);
  if (!found) throw new Error('no owner');
  owner = found;
});
afterAll(async () => {
  await replica?.close();
  await server?.close();
  await testDatabase?.drop();
});

const ask = (params: Record<string, string | undefined>): Promise<JsonAnswer> =>
  requestToken({ ...target.server, token_endpoint: `http://localhost:${replica.port}/token` }, params, {
    headers: { host: new URL(server.issuer).host },
  });
const use = (token: string) => ask(refreshRequest(client, token));
const begin = (): Promise<Family> => beginFamily(target, client, { person, changes: { scope: SCOPE } });

/** "Allow less" on the account page. */
const allowLess = (grantId: string) =>
  createGrantStore(server.database).narrow({
    ...{ id: grantId, userId: owner.id, resource: server.mcpUrl, scopes: ['desk:read'] },
    now: server.now(),
  });

/** Whether resource servers were told to refuse a token. */
function isRefused(access: string): Promise<boolean> {
  const issuedAt = new Date(Number(readToken(access).claims.iat) * 1000);
  const o = { grantId: grantIdOf(access), resource: server.mcpUrl, issuedAt, now: server.now() };
  return createRevocationLog(server.database).covers(o);
}

const scopeOf = (access: string) => String(readToken(access).claims.scope);

/** Lets a request come as far as its only transaction, and does something before that. */
async function beforeCommit(request: () => Promise<JsonAnswer>, act: () => Promise<unknown>): Promise<JsonAnswer> {
  aroundTransaction = async (run) => {
    aroundTransaction = (others) => others();
    await act();
    return run();
  };
  return request();
}

/** A good token of what is left, which everybody takes. */
async function expectLess(answer: JsonAnswer): Promise<{ access: string; refresh: string }> {
  const tokens = tokensOf(answer);
  expect(scopeOf(tokens.access)).toBe('desk:read');
  expect(await isRefused(tokens.access)).toBe(false);
  return tokens;
}

describe('"Allow less" (SP-13)', () => {
  let family: Family;
  beforeEach(async () => {
    family = await begin();
  });

  test('reaches an access token that was issued in the same second', async () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      const { access, refresh, grantId } = await begin();
      await allowLess(grantId);
      expect(await isRefused(access)).toBe(true);
      if (attempt === 0) await expectLess(await use(refresh));
    }
  });

  test('reaches a refresh that had read the grant before: it gets nothing, has lost nothing, and can ask again', async () => {
    const held = await beforeCommit(
      () => use(family.refresh),
      () => allowLess(family.grantId),
    );
    expect([held.status, held.json?.error]).toEqual([503, 'temporarily_unavailable']);
    expect(Number(held.headers['retry-after'])).toBeGreaterThan(0);
    await expectLess(await use(family.refresh));
  });

  test('reaches the exchange of a code that had read the grant before', async () => {
    const code = await obtainCode(target, client, { person, changes: { scope: SCOPE } });
    const where = { id: hashToken(code.code) };
    const { grantId } = await server.database.prisma.authorizationCode.findUniqueOrThrow({ where });
    const exchange = () => ask(codeExchange(target, client, code));
    expect((await beforeCommit(exchange, () => allowLess(grantId))).status).toBe(503);
    await expectLess(await exchange());
  });

  test('between a lost answer and its replay: the app gets on, with the identical refresh token and less scope', async () => {
    const lost = tokensOf(await use(family.refresh));
    await allowLess(family.grantId);
    const { refresh } = await expectLess(await use(family.refresh));
    expect(refresh).toBe(lost.refresh);
    await expectLess(await use(refresh));
  });

  test('between a lost answer and its replay for a scope that is still allowed: a token that is taken', async () => {
    const narrow = () => ask({ ...refreshRequest(client, family.refresh), scope: 'desk:read' });
    const lost = tokensOf(await narrow());
    await allowLess(family.grantId);
    const { access, refresh } = await expectLess(await narrow());
    expect(refresh).toBe(lost.refresh);
    expect(access).not.toBe(lost.access);
  });

  test('beside eight requests at once: no token with more is taken afterwards, and the app gets on', async () => {
    for (let round = 0; round < rounds(10); round++) {
      const { grantId, refresh: first } = await begin();
      const { refresh: head } = tokensOf(await use(first));
      const racing = [first, head, first, head, first, head, first, head].map(use);
      const narrowed = allowLess(grantId);
      const answers = await Promise.all(racing);
      expect(await narrowed).toMatchObject({ ok: true });
      for (const answer of answers) {
        expect([200, 400, 503]).toContain(answer.status);
        const access = answer.status === 200 && tokensOf(answer).access;
        if (access && scopeOf(access) !== 'desk:read') expect(await isRefused(access)).toBe(true);
      }
      await expectLess(await use(head));
    }
  });
});

describe('a role that is taken away (SP-24)', () => {
  const setRoles = (roles: readonly string[]) =>
    createUserStore(server.database).update({ userId: owner.id, roles, now: server.now() });

  test('reaches tokens of that second, and a refresh that had read the user before', async () => {
    const { access, refresh } = await begin();
    const held = await beforeCommit(
      () => use(refresh),
      () => setRoles(['admin']),
    );
    expect(held.status).toBe(503);
    expect(await isRefused(access)).toBe(true);
    const after = tokensOf(await use(refresh)).access;
    await setRoles(owner.roles);
    expect(readToken(after).claims).toMatchObject({ roles: ['admin'] });
    expect(readToken(after).claims.scope).toBeUndefined();
    expect(await isRefused(after)).toBe(false);
  });
});
