import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { createHttpPerson, dumpDatabase } from '../../src/index.ts';
import { registerClient, type Target, type TestClient, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamilies, refresh } from './support/refreshing.ts';

const FAMILIES = 10;
/** Between two refreshes of a family: more than the grace, less than what a rotated token is kept for. */
const STEP_SECONDS = 150;
/** What grows with what happened, by design: it leaves the database in another way. */
const TRAIL = /audit/i;

let testDatabase: TestDatabase;
/** Where people sign in; its clock stays where it is. */
let signIn: InProcess;
/** Where tokens are refreshed, with a clock that goes on. */
let server: InProcess;
let target: Target;
let client: TestClient;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  signIn = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
  server = await startInProcess({ databaseUrl: testDatabase.url, issuer: signIn.issuer });
  target = await targetOf(signIn);
  client = await registerClient(target);
});
afterAll(async () => {
  await server?.close();
  await signIn?.close();
  await testDatabase?.drop();
});

/** How many rows all tables have together, but for the audit trail. */
async function rowsOfAllTables(): Promise<number> {
  const dump = await dumpDatabase(testDatabase.url);
  return Object.entries(dump).reduce((sum, [table, rows]) => sum + (TRAIL.test(table) ? 0 : rows.length), 0);
}

test('SP-5: the tables stay as they are however often apps refresh: at most two rows for each family after each cleaning', async () => {
  const there = { server: { ...target.server, token_endpoint: `http://localhost:${server.port}/token` } };
  const raw = { headers: { host: new URL(signIn.issuer).host } };
  const families = await beginFamilies(target, client, { person: createHttpPerson(), count: FAMILIES });
  let tokens = families.map((family) => family.refresh);
  const steps = Math.max(20, rounds(50));
  let atTenth = 0;
  for (let step = 1; step <= steps; step++) {
    tokens = await Promise.all(
      tokens.map(async (token) => tokensOf(await refresh(there, client, { token, raw })).refresh),
    );
    server.pass(STEP_SECONDS);
    await server.forgetAnswers();
    await server.clean();
    expect(await server.database.prisma.refreshToken.count()).toBeLessThanOrEqual(2 * FAMILIES);
    if (step === Math.ceil(steps / 10)) atTenth = await rowsOfAllTables();
  }
  const atEnd = await rowsOfAllTables();
  // What limited the sign-in at the beginning goes on the way, so that there may be fewer rows, but no more.
  expect((atEnd - atTenth) / atTenth).toBeLessThan(0.05);
  expect(await server.database.prisma.grant.count()).toBe(FAMILIES);
  expect(await server.database.prisma.refreshToken.count({ where: { sealedAnswer: { not: null } } })).toBe(0);
}, 300_000);
