import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AuditLog, createAuditLog, createUserStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson, readToken } from '../../src/index.ts';
import { registerClient, type Target, type TestClient, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamily, countTokens, refresh, verdictOf } from './support/refreshing.ts';

const SCOPE = 'desk:read desk:write';
const OTHER_RESOURCE = 'https://notes.example/mcp';
const DAY_SECONDS = 24 * 3600;
const REFUSED = [400, 'invalid_grant'];

let testDatabase: TestDatabase;
/** Where people sign in: codes live for a minute, so this one's clock stays where it is. */
let signIn: InProcess;
/** Where tokens are refreshed, on the same database, with a clock that goes on. */
let server: InProcess;
let target: Target;
let client: TestClient;
let person: HttpPerson;
let audit: AuditLog;

/** Access tokens live for 100 seconds, so that they end within the 120 of the grace. */
async function start(
  env: Record<string, string> = {},
  { issuer, ...configuration }: Record<string, unknown> & { issuer?: string } = {},
): Promise<InProcess> {
  return startInProcess({
    databaseUrl: testDatabase.url,
    ...(issuer !== undefined && { issuer }),
    env: { ...OWNER_ENV, PORTCULLIS_ACCESS_TOKEN_TTL: '100', ...env },
    configuration: {
      resources: {
        [OTHER_RESOURCE]: {
          name: 'Notes',
          scopes: { 'notes:read': { description: 'Read notes' } },
          defaultScopes: ['notes:read'],
        },
      },
      ...configuration,
    },
  });
}

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  signIn = await start();
  server = await start({}, { issuer: signIn.issuer });
  target = await targetOf(signIn);
  client = await registerClient(target);
  person = createHttpPerson();
  audit = createAuditLog(server.database);
});
afterAll(async () => {
  await server?.close();
  await signIn?.close();
  await testDatabase?.drop();
});

const begin = (changes: Record<string, string | undefined> = { scope: SCOPE }) =>
  beginFamily(target, client, { person, changes });
const use = (token: string, changes: Record<string, string> = {}, fromAddress = '127.0.0.1') =>
  useAs(client, token, { changes, fromAddress });
const useAs = (as: TestClient, token: string, o: { changes?: Record<string, string>; fromAddress?: string } = {}) => {
  const there = { server: { ...target.server, token_endpoint: `http://localhost:${server.port}/token` } };
  const { changes = {}, fromAddress = '127.0.0.1' } = o;
  return refresh(there, as, { token, changes, raw: { fromAddress, headers: { host: new URL(signIn.issuer).host } } });
};
const bodyOf = ({ status, json }: JsonAnswer) => {
  expect(status).toBe(200);
  return json ?? {};
};

/** What was recorded about a grant, the oldest first. */
async function recorded(grantId: string): Promise<string[]> {
  const events = await audit.list({ limit: 1000 });
  return events
    .filter(({ detail }) => detail?.grantId === grantId)
    .map(({ type }) => type)
    .reverse();
}

describe('a lost answer (SP-10)', () => {
  test('is given again: the identical refresh token, the same access token, and the time that it has left', async () => {
    const { grantId, refresh: token } = await begin();
    const first = bodyOf(await use(token));
    server.pass(40);
    const again = bodyOf(await use(token));
    expect({ ...again, expires_in: 0 }).toEqual({ ...first, expires_in: 0 });
    expect(first.expires_in).toBe(100);
    expect(again.expires_in).toBeGreaterThan(50);
    expect(again.expires_in).toBeLessThanOrEqual(60);
    expect(await countTokens(server.database, grantId)).toEqual({ all: 2, heads: 1 });
    expect(await recorded(grantId)).toEqual([
      'consent.decided',
      'code.issued',
      'token.issued',
      'token.refreshed',
      'token.replayed',
    ]);
  });

  test('holds a freshly signed access token when the first has less than 30 seconds left', async () => {
    const { refresh: token } = await begin();
    const first = bodyOf(await use(token));
    server.pass(75);
    const again = bodyOf(await use(token));
    expect(again).toMatchObject({ refresh_token: first.refresh_token, expires_in: 100 });
    expect(again.access_token).not.toBe(first.access_token);
    expect(readToken(String(again.access_token)).claims.gid).toBe(readToken(String(first.access_token)).claims.gid);
  });

  test('is given again until the grace is over, and then it is reuse: the whole family ends, its head too', async () => {
    const { grantId, refresh: token } = await begin();
    const first = tokensOf(await use(token));
    server.pass(119);
    expect(tokensOf(await use(token)).refresh).toBe(first.refresh);
    server.pass(1);
    expect(verdictOf(await use(token))).toEqual(REFUSED);
    expect(verdictOf(await use(first.refresh))).toEqual(REFUSED);
    expect(await countTokens(server.database, grantId)).toEqual({ all: 0, heads: 0 });
    expect((await recorded(grantId)).slice(-2).sort()).toEqual(['anomaly.raised', 'token.reuse_detected']);
  });

  test('the successor goes on as if nothing had been', async () => {
    const { refresh: token } = await begin();
    const { refresh: second } = tokensOf(await use(token));
    await use(token);
    const { refresh: third } = tokensOf(await use(second));
    expect(tokensOf(await use(second)).refresh).toBe(third);
    expect((await use(third)).status).toBe(200);
  });
});

describe('an older ancestor', () => {
  test('is refused within its own grace, and ends nothing', async () => {
    const { grantId, refresh: token } = await begin();
    const { refresh: second } = tokensOf(await use(token));
    const { refresh: third } = tokensOf(await use(second));
    server.pass(100);
    expect(verdictOf(await use(token))).toEqual(REFUSED);
    expect(await recorded(grantId)).not.toContain('token.reuse_detected');
    expect((await use(third)).status).toBe(200);
  });

  test('is reuse after its own grace, though the head is younger', async () => {
    const { grantId, refresh: token } = await begin();
    const { refresh: second } = tokensOf(await use(token));
    server.pass(119);
    const { refresh: third } = tokensOf(await use(second));
    server.pass(1);
    expect(verdictOf(await use(token))).toEqual(REFUSED);
    expect(verdictOf(await use(third))).toEqual(REFUSED);
    expect(await recorded(grantId)).toContain('token.reuse_detected');
  });
});

describe('a replay repeats every check of a refresh', () => {
  /** Rotates once, spoils something, and asks for the answer again. */
  async function replayAfter(spoil: (grantId: string) => Promise<unknown>): Promise<JsonAnswer> {
    const { grantId, refresh: token } = await begin();
    tokensOf(await use(token));
    await spoil(grantId);
    return use(token);
  }

  test('another scope or another resource is no replay, and ends nothing', async () => {
    const { refresh: token } = await begin();
    const { refresh: head } = tokensOf(await use(token));
    expect(verdictOf(await use(token, { scope: 'desk:read' }))).toEqual(REFUSED);
    expect(verdictOf(await use(token, { scope: 'desk:admin' }))).toEqual([400, 'invalid_scope']);
    expect(verdictOf(await use(token, { resource: OTHER_RESOURCE }))).toEqual([400, 'invalid_target']);
    expect((await use(head)).status).toBe(200);
  });

  test('the same scope in other words is the same request', async () => {
    const { refresh: token } = await begin();
    const { refresh: head } = tokensOf(await use(token));
    const spelled = await use(token, { scope: 'desk:write desk:read', resource: server.mcpUrl });
    expect(tokensOf(spelled).refresh).toBe(head);
  });

  test('another client gets nothing, and ends nothing', async () => {
    const stranger = await registerClient(target, { client_name: 'A stranger' });
    const { refresh: token } = await begin();
    const { refresh: head } = tokensOf(await use(token));
    expect(verdictOf(await useAs(stranger, token))).toEqual(REFUSED);
    server.pass(200);
    expect(verdictOf(await useAs(stranger, token))).toEqual(REFUSED);
    expect((await use(head)).status).toBe(200);
  });

  test('a wrong client secret is 401, within the grace and after it, and ends nothing', async () => {
    const confidential = await registerClient(target, { token_endpoint_auth_method: 'client_secret_post' });
    const { refresh: token } = await beginFamily(target, confidential, { person });
    const { refresh: head } = tokensOf(await useAs(confidential, token));
    const guess = { client_secret: 'guessed' };
    expect(verdictOf(await useAs(confidential, token, { changes: guess }))).toEqual([401, 'invalid_client']);
    server.pass(200);
    expect(verdictOf(await useAs(confidential, token, { changes: guess }))).toEqual([401, 'invalid_client']);
    expect((await useAs(confidential, head)).status).toBe(200);
  });

  test('a revoked grant', async () => {
    const answer = await replayAfter((id) => server.database.prisma.grant.delete({ where: { id } }));
    expect(verdictOf(answer)).toEqual(REFUSED);
  });

  test('a disabled client', async () => {
    const where = { id: client.id };
    const answer = await replayAfter(() =>
      server.database.prisma.client.update({ where, data: { disabledAt: new Date() } }),
    );
    expect(verdictOf(answer)).toEqual([401, 'invalid_client']);
    await server.database.prisma.client.update({ where, data: { disabledAt: null } });
  });

  test('a disabled user, and one who lost the role: no token with the old scope', async () => {
    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER_ENV.PORTCULLIS_ADMIN_EMAIL);
    if (!owner) throw new Error('no owner');
    const setDisabled = (disabled: boolean) => users.setDisabled({ userId: owner.id, disabled, now: new Date() });
    expect(verdictOf(await replayAfter(() => setDisabled(true)))).toEqual(REFUSED);
    await setDisabled(false);

    const { refresh: token } = await begin();
    const first = bodyOf(await use(token));
    await users.update({ userId: owner.id, roles: [], now: new Date() });
    const again = bodyOf(await use(token));
    await users.update({ userId: owner.id, roles: owner.roles, now: new Date() });
    expect(first.scope).toBe(SCOPE);
    expect(again).toMatchObject({ refresh_token: first.refresh_token });
    expect(readToken(String(again.access_token)).claims.scope).toBeUndefined();
  });
});

describe('AS-20: a narrower scope', () => {
  test('narrows that access token only; the family keeps its scope, and never gets a wider one', async () => {
    const { refresh: token } = await begin();
    const narrow = bodyOf(await use(token, { scope: 'desk:read' }));
    expect(readToken(String(narrow.access_token)).claims.scope).toBe('desk:read');
    const next = bodyOf(await use(String(narrow.refresh_token)));
    expect(readToken(String(next.access_token)).claims.scope).toBe(SCOPE);
    const wider = await use(String(next.refresh_token), { scope: `${SCOPE} desk:admin` });
    expect(verdictOf(wider)).toEqual([400, 'invalid_scope']);
    expect((await use(String(next.refresh_token))).status).toBe(200);
  });
});

describe('odd replays raise an anomaly (SP-38)', () => {
  const anomalies = async (grantId: string) =>
    (await audit.list({ type: 'anomaly.raised', limit: 1000 }))
      .filter(({ detail }) => detail?.grantId === grantId)
      .map(({ detail }) => detail?.kind);

  test('three replays after the parallel ones do not, a fourth does', async () => {
    const { grantId, refresh: token } = await begin();
    tokensOf(await use(token));
    await Promise.all(Array.from({ length: 6 }, async () => tokensOf(await use(token))));
    server.pass(10);
    for (let replay = 0; replay < 3; replay++) tokensOf(await use(token));
    expect(await anomalies(grantId)).toEqual([]);
    tokensOf(await use(token));
    expect(await anomalies(grantId)).toEqual(['repeated_replays']);
  });

  test('one from another network does', async () => {
    const { grantId, refresh: token } = await begin();
    tokensOf(await use(token));
    tokensOf(await use(token, {}, '127.0.0.2'));
    expect(await anomalies(grantId)).toEqual(['replay_from_another_network']);
  });

  test('and ends the family where it is configured to', async () => {
    const strict = await start({}, { refreshTokens: { suspiciousReplay: 'revoke' } });
    const there = await targetOf(strict);
    const { grantId, refresh: token } = await beginFamily(there, client, { person: createHttpPerson() });
    const { refresh: head } = tokensOf(await refresh(there, client, { token }));
    const thief = { fromAddress: '127.0.0.2' };
    expect(verdictOf(await refresh(there, client, { token, raw: thief }))).toEqual(REFUSED);
    expect(verdictOf(await refresh(there, client, { token: head }))).toEqual(REFUSED);
    expect(await countTokens(strict.database, grantId)).toEqual({ all: 0, heads: 0 });
    expect(await recorded(grantId)).toContain('grant.revoked');
    await strict.close();
  });
});

describe('how long it all lasts', () => {
  test('a refresh token slides with each refresh, up to the end that the sign-in has', async () => {
    const server = await start(
      {},
      { refreshTokens: { idleSeconds: 10 * DAY_SECONDS, absoluteSeconds: 25 * DAY_SECONDS } },
    );
    const there = await targetOf(server);
    const go = async (days: number, token: string) => {
      server.pass(days * DAY_SECONDS);
      return refresh(there, client, { token });
    };
    const { refresh: unused } = await beginFamily(there, client, { person: createHttpPerson() });
    const { refresh: used } = await beginFamily(there, client, { person: createHttpPerson() });
    const ninth = tokensOf(await go(9, used));
    const eighteenth = tokensOf(await go(9, ninth.refresh));
    expect(verdictOf(await go(0, unused))).toEqual(REFUSED);
    const last = tokensOf(await go(6.9, eighteenth.refresh));
    expect(verdictOf(await go(0.2, last.refresh))).toEqual(REFUSED);
    await server.close();
  });

  test('with the grace off the first replay is reuse', async () => {
    const strict = await start({ PORTCULLIS_REFRESH_GRACE: '0' });
    const there = await targetOf(strict);
    const { grantId, refresh: token } = await beginFamily(there, client, { person: createHttpPerson() });
    const { refresh: head } = tokensOf(await refresh(there, client, { token }));
    strict.pass(1);
    expect(verdictOf(await refresh(there, client, { token }))).toEqual(REFUSED);
    expect(verdictOf(await refresh(there, client, { token: head }))).toEqual(REFUSED);
    expect(await countTokens(strict.database, grantId)).toEqual({ all: 0, heads: 0 });
    await strict.close();
  });
});

test('SP-4: what is kept of an answer tells nothing without the token, and is forgotten after the grace', async () => {
  const { grantId, refresh: token } = await begin();
  const { access, refresh: head } = tokensOf(await use(token));
  const where = { grantId, sealedAnswer: { not: null } };
  const rows = await server.database.prisma.refreshToken.findMany({ where });
  expect(rows).toHaveLength(1);
  for (const secret of [token, head, access, access.split('.')[2] ?? '']) {
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(secret).toString('base64url'));
  }
  server.pass(119);
  await server.forgetAnswers();
  expect(tokensOf(await use(token)).refresh).toBe(head);
  server.pass(1);
  expect(await server.forgetAnswers()).toBeGreaterThan(0);
  expect(await server.database.prisma.refreshToken.count({ where })).toBe(0);
});
