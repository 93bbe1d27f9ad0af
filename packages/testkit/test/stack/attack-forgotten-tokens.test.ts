import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type AuditLog, createAuditLog, hashToken } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson, sendRaw } from '../../src/index.ts';
import { registerClient, type Target, type TestClient, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamily, countTokens, refresh, verdictOf } from './support/refreshing.ts';

const REFUSED = [400, 'invalid_grant'];
/** The grace, and for how long a request that was under way may take. */
const FORGOTTEN_AFTER_SECONDS = 180;

let testDatabase: TestDatabase;
/** Where people sign in; its clock stays where it is. */
let signIn: InProcess;
/** Where tokens are refreshed, with a clock that goes on. */
let server: InProcess;
let target: Target;
let client: TestClient;
let person: HttpPerson;
let audit: AuditLog;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  signIn = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
  server = await startInProcess({ databaseUrl: testDatabase.url, issuer: signIn.issuer });
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

const host = () => ({ headers: { host: new URL(signIn.issuer).host } });
const use = (token: string, as: TestClient = client, changes: Record<string, string> = {}): Promise<JsonAnswer> => {
  const there = { server: { ...target.server, token_endpoint: `http://localhost:${server.port}/token` } };
  return refresh(there, as, { token, changes, raw: host() });
};

type Family = { grantId: string; forgotten: string; head: string };

/** A family whose first token is cleaned away: only the head is left. */
async function familyThatForgot(as: TestClient = client): Promise<Family> {
  const { grantId, refresh: forgotten } = await beginFamily(target, as, { person });
  const { refresh: head } = tokensOf(await use(forgotten, as));
  server.pass(FORGOTTEN_AFTER_SECONDS + 1);
  await server.clean();
  expect(await countTokens(server.database, grantId)).toEqual({ all: 1, heads: 1 });
  return { grantId, forgotten, head };
}

const typesOf = async (grantId: string) =>
  (await audit.list({ limit: 1000 })).filter(({ detail }) => detail?.grantId === grantId).map(({ type }) => type);

describe('a refresh token whose row is gone', () => {
  let family: Family;
  beforeEach(async () => {
    family = await familyThatForgot();
  });

  test('SP-10: is recognised as reuse still: the whole family ends, with a record and an anomaly', async () => {
    expect(verdictOf(await use(family.forgotten))).toEqual(REFUSED);
    expect(verdictOf(await use(family.head))).toEqual(REFUSED);
    expect(await countTokens(server.database, family.grantId)).toEqual({ all: 0, heads: 0 });
    expect(await typesOf(family.grantId)).toEqual(expect.arrayContaining(['token.reuse_detected', 'anomaly.raised']));
  });

  test('SP-10: ends nothing in the hands of another client', async () => {
    const stranger = await registerClient(target, { client_name: 'A stranger' });
    expect(verdictOf(await use(family.forgotten, stranger))).toEqual(REFUSED);
    expect((await use(family.head)).status).toBe(200);
  });

  test('SP-10: one that was never issued ends nothing, whatever of a real one it is made of', async () => {
    const [random = '', generation = '', grantId = '', signature = ''] = family.forgotten.split('.');
    const [, , , headSignature = ''] = family.head.split('.');
    const other = await beginFamily(target, client, { person });
    const otherParts = other.refresh.split('.');
    const forgeries = [
      `x${random.slice(1)}.${generation}.${grantId}.${signature}`,
      `${random}.-1.${grantId}.${signature}`,
      `${random}.${generation}0.${grantId}.${signature}`,
      `${random}.${generation}.${grantId}.${headSignature}`,
      `${random}.${generation}.${grantId}.`,
      `${random}.${generation}.${grantId}`,
      `${random}.${generation}.${grantId}.${signature}.x`,
      `${random}.${generation}.${otherParts[2]}.${signature}`,
      [...otherParts.slice(0, 2), grantId, otherParts[3]].join('.'),
      grantId,
    ];
    for (const forgery of forgeries) expect(verdictOf(await use(forgery))).toEqual(REFUSED);
    expect((await use(family.head)).status).toBe(200);
    expect((await use(other.refresh)).status).toBe(200);
  });

  test('SP-10: is no reuse where its family has no head any more: nothing is left to protect', async () => {
    await server.database.prisma.refreshToken.updateMany({
      where: { grantId: family.grantId },
      data: { expiresAt: server.now() },
    });
    expect(verdictOf(await use(family.forgotten))).toEqual(REFUSED);
    expect(verdictOf(await use(family.head))).toEqual(REFUSED);
    await server.clean();
    expect(verdictOf(await use(family.head))).toEqual(REFUSED);
    expect(await typesOf(family.grantId)).not.toContain('token.reuse_detected');
  });

  test('SP-10: is no reuse where the database is a backup that has not seen it yet', async () => {
    const { head, grantId } = family;
    const before = await server.database.prisma.refreshToken.findMany({ where: { grantId } });
    const { refresh: newest } = tokensOf(await use(head));
    await server.database.prisma.refreshToken.deleteMany({ where: { grantId } });
    await server.database.prisma.refreshToken.createMany({ data: before });
    expect(verdictOf(await use(newest))).toEqual(REFUSED);
    expect(await typesOf(grantId)).not.toContain('token.reuse_detected');
    expect((await use(head)).status).toBe(200);
  });

  test('RFC 7009: can be revoked, and its family with it', async () => {
    const body = new URLSearchParams({ token: family.forgotten, client_id: client.id });
    const { status } = await sendRaw(`http://localhost:${server.port}/revoke`, { body, ...host() });
    expect(status).toBe(200);
    expect(verdictOf(await use(family.head))).toEqual(REFUSED);
  });
});

test('SP-10: a token without a mark, from before there were marks, keeps its row: its reuse ends the family still', async () => {
  const { grantId, refresh: marked } = await beginFamily(target, client, { person });
  const unmarked = randomUUID();
  await server.database.prisma.refreshToken.update({
    where: { id: hashToken(marked) },
    data: { id: hashToken(unmarked) },
  });
  const { refresh: head } = tokensOf(await use(unmarked));
  server.pass(FORGOTTEN_AFTER_SECONDS + 1);
  await server.clean();
  expect(verdictOf(await use(unmarked))).toEqual(REFUSED);
  expect(verdictOf(await use(head))).toEqual(REFUSED);
  expect(await typesOf(grantId)).toContain('token.reuse_detected');
});

test('a wrong client secret is 401 whether the row is there or not, and ends nothing', async () => {
  const confidential = await registerClient(target, { token_endpoint_auth_method: 'client_secret_post' });
  const { forgotten, head } = await familyThatForgot(confidential);
  expect(verdictOf(await use(forgotten, confidential, { client_secret: 'guessed' }))).toEqual([401, 'invalid_client']);
  expect((await use(head, confidential)).status).toBe(200);
});

test('SP-5: within its grace an ancestor is kept, so that it is refused and ends nothing', async () => {
  const { grantId, refresh: first } = await beginFamily(target, client, { person });
  const { refresh: second } = tokensOf(await use(first));
  const { refresh: third } = tokensOf(await use(second));
  server.pass(110);
  await server.clean();
  expect(await countTokens(server.database, grantId)).toEqual({ all: 3, heads: 1 });
  expect(verdictOf(await use(first))).toEqual(REFUSED);
  expect((await use(third)).status).toBe(200);
});
