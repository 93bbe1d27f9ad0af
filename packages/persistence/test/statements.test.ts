import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog } from '../src/audit-log.ts';
import { openDatabase } from '../src/database.ts';
import { COUNTER_OF } from '../src/statements/counters.ts';
import {
  CLIENT_BY_ID,
  CLIENT_BY_REUSE_KEY,
  GRANT_BY_ID,
  REFRESH_TOKEN_BY_ID,
  RESOURCES,
  USER_WITH_ROLES,
} from '../src/statements/lookups.ts';
import type { Statement } from '../src/statements/statement.ts';
import { inTransaction } from '../src/transaction.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const at = (second: number) => new Date(Date.UTC(2026, 10, 26, 23, 59, second, 123));

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

const client = (id: string) => ({
  id,
  registration: 'dynamic' as const,
  metadata: '{"scope":"a b"}',
  createdAt: at(0),
  updatedAt: at(1),
});
const filled = {
  ...client('filled'),
  name: 'Ünïcode ☂',
  applicationType: 'native',
  tokenEndpointAuthMethod: 'none',
  redirectUris: '["http://localhost/callback"]',
  grantTypes: '["authorization_code"]',
  secretHash: 'hash',
  previousSecretHash: 'before',
  previousSecretExpiresAt: at(2),
  managementTokenHash: 'management',
  reuseKey: 'reuse',
  review: 'pending' as const,
  firstParty: true,
  allowedScopes: '["a"]',
  allowedResources: '[]',
  resourceServer: 'https://resource.example',
  lastUsedAt: at(3),
  expiresAt: at(4),
  disabledAt: at(5),
};
const grant = { id: 'grant', userId: 'user', clientId: 'filled', detail: '{}', issuedAt: at(6), expiresAt: at(7) };
const token = {
  ...grant,
  id: 'token',
  grantId: 'grant',
  firstIssuedAt: at(8),
  rotations: 7,
  consumedAt: at(9),
  replays: 2,
};

describe('a row that a statement reads is the one that Prisma’s client reads', () => {
  beforeAll(async () => {
    const { prisma } = database.db;
    await prisma.client.create({ data: filled });
    await prisma.client.create({ data: client('bare') });
    await prisma.grant.create({ data: { ...grant, tokensEndedUntil: at(10) } });
    await prisma.refreshToken.create({ data: token });
    const roles = { create: [{ role: 'lead' }, { role: 'admin' }] };
    const texts = { name: 'A resource', scopes: '{}', defaultScopes: '[]', roles: '{}' };
    for (const url of ['https://b.example', 'https://a.example'])
      await prisma.resource.create({ data: { url, identifier: url, ...texts, createdAt: at(0) } });
    await prisma.user.create({
      data: { id: 'user', email: 'a@b.example', founder: true, createdAt: at(0), updatedAt: at(1), roles },
    });
  });

  const read = async (statement: Statement, id: string) => (await database.db.statements.run(statement, id))[0];
  const readInTransaction = (statement: Statement, id: string) =>
    inTransaction(database.db, async ({ statements }) => (await statements.run(statement, id))[0]);

  test.each([
    ['outside of transactions', read],
    ['inside of one', readInTransaction],
  ])('%s', async (_where, one) => {
    const { prisma } = database.db;
    for (const id of ['filled', 'bare'])
      expect(await one(CLIENT_BY_ID, id)).toEqual(await prisma.client.findUnique({ where: { id } }));
    expect(await one(CLIENT_BY_REUSE_KEY, 'reuse')).toEqual(
      await prisma.client.findUnique({ where: { id: 'filled' } }),
    );
    expect(await one(GRANT_BY_ID, 'grant')).toEqual(await prisma.grant.findUnique({ where: { id: 'grant' } }));
    expect(await one(REFRESH_TOKEN_BY_ID, 'token')).toEqual(
      await prisma.refreshToken.findUnique({ where: { id: 'token' } }),
    );
    const user = await prisma.user.findUnique({ where: { id: 'user' } });
    expect(await one(USER_WITH_ROLES, 'user')).toEqual({ ...user, role: 'admin' });
    expect(await one(CLIENT_BY_ID, 'nobody')).toBeUndefined();
  });

  test('and so are all of a list', async () => {
    const asked = await database.db.prisma.resource.findMany({ orderBy: { url: 'asc' } });
    expect(await database.db.statements.run(RESOURCES)).toEqual(asked);
  });

  test('and a time that a statement compares is the moment that it was', async () => {
    await database.db.prisma.rateLimit.create({ data: { key: 'counter', points: 3, expire: at(5) } });
    const count = (now: Date) => database.db.statements.run(COUNTER_OF, 'counter', now);
    expect(await count(new Date(at(5).getTime() - 1))).toEqual([{ points: 3, expire: at(5) }]);
    expect(await count(at(5))).toEqual([]);
  });
});

test('an audit record that a statement wrote is read as it was written', async () => {
  const event = {
    time: at(11),
    type: 'token.issued' as const,
    outcome: 'success' as const,
    subject: 'somebody\0\ud800',
    sizeBytes: 12,
    durationMs: 3.7,
    detail: { grantId: 'grant' },
  };
  const log = createAuditLog(database.db);
  await log.record(event);
  const kept = { ...event, subject: 'somebody\u{fffd}\u{fffd}', durationMs: 4 };
  expect(await log.list({ type: 'token.issued' })).toEqual([{ id: expect.any(String), ...kept }]);
});

test.each([
  [true, [{ name: expect.stringMatching(/^client\.findUnique\.[\w-]{8}$/) }]],
  [false, []],
])('a connection to PostgreSQL keeps them: %s', async (preparesStatements, kept) => {
  const db = await openDatabase({ url: database.url, preparesStatements });
  await db.statements.run(CLIENT_BY_ID, 'nobody');
  if (db.kind === 'postgresql')
    expect(await db.prisma.$queryRaw`SELECT "name" FROM pg_prepared_statements WHERE "name" <> ''`).toEqual(kept);
  await db.close();
});
