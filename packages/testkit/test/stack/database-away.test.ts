import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '@portcullis/persistence';
import { type PostgresqlCluster, rounds, startPostgresql } from '@portcullis/test-database';
import type { JsonAnswer, Stack } from '../../src/index.ts';
import { createHttpPerson, pollUntil, startStack } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamilies, countTokens, type Family, refresh, verdictOf } from './support/refreshing.ts';

const INSTALLATIONS = 6;
const AWAY_MS = rounds(10) * 1000;

let cluster: PostgresqlCluster | undefined;
let stack: Stack;
let target: Target;
let client: TestClient;
let database: Database;

beforeAll(async () => {
  cluster = globalThis.portcullisTestDatabase === 'postgresql' ? await startPostgresql() : undefined;
  stack = await startStack({
    authorizationServerAlone: true,
    authorizationServer: { ...OWNER_ENV, ...(cluster && { DATABASE_URL: cluster.url }) },
  });
  target = await targetOf(stack);
  client = await registerClient(target);
  database = await openDatabase({ url: cluster?.url ?? stack.databases.authorizationServer });
});
afterAll(async () => {
  await database?.close();
  await stack?.stop();
  await cluster?.stop();
});

/** Takes the database away: PostgreSQL ends; a SQLite file is locked by somebody else. */
async function takeAway(): Promise<() => Promise<void>> {
  if (cluster) {
    const { restart } = cluster;
    await cluster.kill();
    return restart;
  }
  const other = new DatabaseSync(fileURLToPath(stack.databases.authorizationServer), { timeout: 10_000 });
  other.exec('BEGIN IMMEDIATE');
  return async () => {
    other.exec('ROLLBACK');
    other.close();
  };
}

/** Refreshes again and again until told to stop, always with the newest token that it knows. */
async function load(family: Family, isOver: () => boolean, answers: JsonAnswer[]): Promise<void> {
  while (!isOver()) {
    const answer = await refresh(target, client, { token: family.refresh });
    answers.push(answer);
    if (answer.status === 200) family.refresh = tokensOf(answer).refresh;
  }
}

test('a database that is away for seconds, under load: 503 with Retry-After, then all goes on, and nothing is burnt', async () => {
  const person = createHttpPerson();
  const families = await beginFamilies(target, client, { person, count: INSTALLATIONS });
  const code = await obtainCode(target, client, { person });
  const answers: JsonAnswer[] = [];
  let over = false;
  const working = Promise.all(families.map((family) => load(family, () => over, answers)));
  await pollUntil(() => answers.length > INSTALLATIONS, { what: 'load' });

  const bringBack = await takeAway();
  const backAt = Date.now() + AWAY_MS;
  if (cluster) {
    await pollUntil(() => answers.some(({ status }) => status === 503), { what: 'a 503' });
    expect(verdictOf(await redeem(target, client, { code }))).toEqual([503, 'temporarily_unavailable']);
    const page = await createHttpPerson().open(authorizationRequest(target, client).url);
    expect([page.answer.status, page.answer.headers['retry-after']]).toEqual([503, '5']);
    const itself = `http://localhost:${stack.port}`;
    expect((await fetch(`${itself}/readyz`)).status).toBe(503);
    expect((await fetch(`${itself}/healthz`)).status).toBe(200);
  }
  await pollUntil(() => Date.now() >= backAt, { what: 'the end of the outage' });
  await bringBack();

  const since = answers.length;
  await pollUntil(() => answers.slice(since).filter(({ status }) => status === 200).length > INSTALLATIONS, {
    what: 'answers after the outage',
  });
  over = true;
  await working;
  for (const { status, headers, json, text } of answers) {
    if (status === 200) continue;
    expect([status, headers['retry-after'], json?.error]).toEqual([503, '5', 'temporarily_unavailable']);
    expect(text).not.toMatch(/127\.0\.0\.1|postgres|prisma|sqlite|ECONN/i);
  }
  // A statement waits up to ten seconds for a locked file; then the request is asked to come back.
  if (!cluster && AWAY_MS < 10_000) expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  for (const { grantId, refresh: token } of families) {
    expect((await refresh(target, client, { token })).status).toBe(200);
    expect((await countTokens(database, grantId)).heads).toBe(1);
  }
  expect((await redeem(target, client, { code })).status).toBe(200);
}, 120_000);
