import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson, requestToken } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import {
  authorizationRequest,
  codeExchange,
  obtainCode,
  registerClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type AroundTransaction, type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamily, countTokens, grantIdOf, refresh, refreshRequest, verdictOf } from './support/refreshing.ts';

const OTHER_RESOURCE = 'https://notes.example/mcp';

let testDatabase: TestDatabase;
let server: InProcess;
let target: Target;
let client: TestClient;
let person: HttpPerson;
let aroundTransaction: AroundTransaction = (run) => run();

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  server = await startInProcess({
    databaseUrl: testDatabase.url,
    env: OWNER_ENV,
    configuration: {
      resources: {
        [OTHER_RESOURCE]: {
          name: 'Notes',
          scopes: { 'notes:read': { description: 'Read notes' } },
          defaultScopes: ['notes:read'],
        },
      },
    },
    aroundTransaction: (run) => aroundTransaction(run),
  });
  target = await targetOf(server);
  client = await registerClient(target);
  person = createHttpPerson();
});
afterEach(() => {
  jest.restoreAllMocks();
  aroundTransaction = (run) => run();
});
afterAll(async () => {
  await server?.close();
  await testDatabase?.drop();
});

const ask = (params: Record<string, string | undefined>) => requestToken(target.server, params);

type Failure = {
  /** Makes the request go wrong after the engine has consumed what it presents. */
  fail(params: Record<string, string | undefined>): Promise<JsonAnswer>;
  verdict: [number, unknown];
};

const failures: [string, Failure][] = [
  [
    'a resource that was not granted',
    { fail: (params) => ask({ ...params, resource: OTHER_RESOURCE }), verdict: [400, 'invalid_target'] },
  ],
  [
    'a key that cannot sign',
    {
      fail: (params) => {
        jest.spyOn(crypto.subtle, 'sign').mockRejectedValueOnce(new Error('the key is away'));
        return ask(params);
      },
      verdict: [500, 'server_error'],
    },
  ],
  [
    'an audit record that cannot be written',
    {
      fail: async (params) => {
        const { prisma } = server.database;
        await prisma.$executeRawUnsafe('ALTER TABLE "AuditEvent" RENAME TO "AuditEventAway"');
        try {
          return await ask(params);
        } finally {
          await prisma.$executeRawUnsafe('ALTER TABLE "AuditEventAway" RENAME TO "AuditEvent"');
        }
      },
      verdict: [500, 'server_error'],
    },
  ],
  [
    'a database that goes away before the commit',
    {
      fail: (params) => {
        aroundTransaction = () => Promise.reject(new Error('the connection is gone'));
        return ask(params);
      },
      verdict: [500, 'server_error'],
    },
  ],
];

describe.each(failures)('%s', (_name, { fail, verdict }) => {
  test('costs no code', async () => {
    const params = codeExchange(target, client, await obtainCode(target, client, { person }));
    expect(verdictOf(await fail(params))).toEqual(verdict);
    jest.restoreAllMocks();
    aroundTransaction = (run) => run();
    const { access, refresh: token } = tokensOf(await ask(params));
    expect(await countTokens(server.database, grantIdOf(access))).toEqual({ all: 1, heads: 1 });
    expect((await refresh(target, client, { token })).status).toBe(200);
  });

  test('costs no refresh token, and leaves no second head', async () => {
    const { grantId, refresh: token } = await beginFamily(target, client, { person });
    expect(verdictOf(await fail(refreshRequest(client, token)))).toEqual(verdict);
    expect(await countTokens(server.database, grantId)).toEqual({ all: 1, heads: 1 });
    jest.restoreAllMocks();
    aroundTransaction = (run) => run();
    server.pass(130);
    expect((await refresh(target, client, { token })).status).toBe(200);
    expect(await countTokens(server.database, grantId)).toEqual({ all: 2, heads: 1 });
    server.pass(-130);
  });
});

describe('a commit whose outcome nobody learns', () => {
  const commitAndFail: AroundTransaction = async (run) => {
    await run();
    throw new Error('the connection is gone');
  };

  test('costs no refresh token: the next try gets what was committed', async () => {
    const { grantId, refresh: token } = await beginFamily(target, client, { person });
    aroundTransaction = commitAndFail;
    expect(verdictOf(await refresh(target, client, { token }))).toEqual([500, 'server_error']);
    aroundTransaction = (run) => run();
    expect((await refresh(target, client, { token })).status).toBe(200);
    expect(await countTokens(server.database, grantId)).toEqual({ all: 2, heads: 1 });
  });

  test('costs a code, as codes are never given again, but its next try is not taken for theft (AS-10)', async () => {
    const params = codeExchange(target, client, await obtainCode(target, client, { person }));
    aroundTransaction = commitAndFail;
    expect(verdictOf(await ask(params))).toEqual([500, 'server_error']);
    aroundTransaction = (run) => run();
    const before = await server.database.prisma.grant.count();
    expect(verdictOf(await ask(params))).toEqual([400, 'invalid_grant']);
    expect(await server.database.prisma.grant.count()).toBe(before);
  });
});

test('AS-10: a code that came to two replicas at once is stolen to neither, until two seconds later', async () => {
  const other = await startInProcess({ databaseUrl: testDatabase.url, issuer: server.issuer, env: OWNER_ENV });
  const params = codeExchange(target, client, await obtainCode(target, client, { person }));
  const askOther = async () => {
    const at = { ...target.server, token_endpoint: `http://127.0.0.1:${other.port}/token` };
    return verdictOf(await requestToken(at, params, { headers: { host: new URL(server.issuer).host } }));
  };
  const refused = [400, 'invalid_grant'];
  let beforeTheAnswer: unknown;
  aroundTransaction = async (run) => {
    aroundTransaction = (again) => again();
    const outcome = await run();
    beforeTheAnswer = await askOther();
    return outcome;
  };
  const { access, refresh: token } = tokensOf(await ask(params));
  expect([beforeTheAnswer, await askOther()]).toEqual([refused, refused]);
  expect((await refresh(target, client, { token })).status).toBe(200);
  other.pass(3);
  expect(await askOther()).toEqual(refused);
  expect(await server.database.prisma.grant.count({ where: { id: grantIdOf(access) } })).toBe(0);
  await other.close();
});

test('a detected reuse ends the family even when it cannot be recorded', async () => {
  const { grantId, refresh: token } = await beginFamily(target, client, { person });
  const { refresh: head } = tokensOf(await refresh(target, client, { token }));
  server.pass(130);
  const { prisma } = server.database;
  await prisma.$executeRawUnsafe('ALTER TABLE "AuditEvent" RENAME TO "AuditEventAway"');
  const answer = await refresh(target, client, { token });
  await prisma.$executeRawUnsafe('ALTER TABLE "AuditEventAway" RENAME TO "AuditEvent"');
  server.pass(-130);
  expect(answer.status).toBe(500);
  expect(await countTokens(server.database, grantId)).toEqual({ all: 0, heads: 0 });
  expect(verdictOf(await refresh(target, client, { token: head }))).toEqual([400, 'invalid_grant']);
});

test.each([
  ['approve', 'allowed'],
  ['deny', 'forgotten'],
])('SP-37: a decision (%s) that cannot be recorded is not made: nothing is %s', async (action) => {
  const { prisma } = server.database;
  const remembered = () => prisma.consent.count({ where: { clientId: app.id } });
  const app = await registerClient(target, { client_name: action, redirect_uris: ['https://app.example/callback'] });
  await obtainCode(target, action === 'deny' ? app : client, { person });
  const page = await person.open(authorizationRequest(target, app, { scope: 'desk:read desk:write' }).url);
  const before = await remembered();
  await prisma.$executeRawUnsafe('ALTER TABLE "AuditEvent" RENAME TO "AuditEventAway"');
  const answer = await person.submit(page, { action });
  await prisma.$executeRawUnsafe('ALTER TABLE "AuditEventAway" RENAME TO "AuditEvent"');
  expect(answer.answer.status).toBe(500);
  expect(before).toBe(action === 'deny' ? 1 : 0);
  expect(await remembered()).toBe(before);
});
