import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { errors } from 'oidc-provider';
import pg from 'pg';
import { createAuthenticationRows } from '../../src/authentication-rows.ts';
import type { Database } from '../../src/database.ts';
import { createEngineAdapter } from '../../src/engine-adapter/engine-adapter.ts';
import { createEnvelope } from '../../src/envelope.ts';
import { createPresentedRows } from '../../src/presented-rows.ts';
import { createRedemptionStore } from '../../src/redemption-store.ts';
import { readInteractionRows, readSessionRows } from '../../src/session-rows.ts';
import { createSignInStore } from '../../src/sign-in-store.ts';
import { createStandingRows } from '../../src/standing-rows.ts';
import type { Statement, StatementValue } from '../../src/statements/statement.ts';
import { type OpenTestDatabase, openTestDatabase } from '../support/open-test-database.ts';

const now = new Date('2026-11-27T10:00:00Z');
const later = new Date(now.getTime() + 3_600_000);

let opened: OpenTestDatabase;
let client: pg.Client;
/** What was asked, by its name. */
const asked = new Map<string, Statement>();

beforeAll(async () => {
  opened = await openTestDatabase();
  client = new pg.Client({ connectionString: opened.url });
  await client.connect();
  // A connection plans such a statement once, for whatever it is asked with later.
  await client.query('SET plan_cache_mode = force_generic_plan');
});
afterAll(async () => {
  await client?.end();
  await opened?.drop();
});

/** Asks what requests ask, of tables that nothing was ever counted of. */
async function askAll(): Promise<void> {
  const { statements } = opened.db;
  const run = <Row>(statement: Statement, ...values: StatementValue[]) => {
    asked.set(statement.name, statement);
    return statements.run<Row>(statement, ...values);
  };
  const database: Database = { ...opened.db, statements: { ...statements, run } };
  const presented = createPresentedRows(database);
  const authentication = createAuthenticationRows(database);
  const store = createRedemptionStore(database);
  const adapter = createEngineAdapter(database, {
    clock: () => now,
    envelope: createEnvelope(randomBytes(32)),
    errors,
    rowsAhead: {
      refreshToken: () => undefined,
      code: () => undefined,
      grant: () => undefined,
      session: () => undefined,
      wantsSession: () => true,
      keep: () => {},
    },
  });
  const event = { time: now, type: 'token.refreshed', outcome: 'success' } as const;
  const payload = { accountId: 'user', clientId: 'client', grantId: 'grant' };
  const successor = { value: 'next', payload, expiresInSeconds: 600 };
  const redemption = { grantId: 'grant', tokensEndedUntil: undefined, successor, event, now };
  const forOneAndForTwo = async (ask: (value: string) => Promise<unknown>) => {
    await ask('one');
    await Promise.all([ask('one'), ask('two')]);
  };
  await forOneAndForTwo(presented.refreshToken);
  await forOneAndForTwo(presented.code);
  await forOneAndForTwo((clientId) => authentication({ clientId, limitKey: 'limit' }));
  await store.rotate({
    ...{ ...redemption, value: 'token', fingerprint: 'of a request', forgetAt: undefined },
    answer: { text: 'answer', expiresAt: later },
  });
  await store.redeemCode({ ...redemption, value: 'code', issued: undefined });
  await readSessionRows(database, { id: 'id' });
  await readSessionRows(database, { uid: 'uid' });
  for (const withSession of [false, true]) await readInteractionRows(database, { id: 'id', withSession });
  for (const model of ['Session', 'DeviceCode', 'Grant', 'RefreshToken', 'AuthorizationCode', 'Client']) {
    await adapter(model).find('value');
    await adapter(model).destroy('value');
  }
  await adapter('Session').findByUid('uid');
  await createSignInStore(database).findOpen({ id: 'id', userId: 'user', now });
  await createStandingRows(database)({
    ...{ grantId: 'grant', clientId: 'client', subject: 'user', resource: 'resource', issuedAt: now, now },
  });
}

type Plan = { 'Node Type': string; 'Relation Name'?: string; 'Index Name'?: string; Plans?: Plan[] };

/** How a statement reads the tables, whatever it is asked with. */
async function readsOf({ postgresql }: Statement): Promise<string[]> {
  const count = Math.max(...Array.from(postgresql.matchAll(/\$(\d+)/g), ([, nth]) => Number(nth)));
  await client.query(`PREPARE "asked" AS ${postgresql}`);
  const values = Array.from({ length: count }, () => 'NULL').join(', ');
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (FORMAT JSON) EXECUTE "asked"(${values})`,
  );
  await client.query('DEALLOCATE "asked"');
  const partsOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(partsOf)];
  return rows
    .flatMap((row) => partsOf(row['QUERY PLAN'][0].Plan))
    .flatMap(
      (part) => part['Index Name'] ?? (part['Node Type'] === 'Seq Scan' ? `all of ${part['Relation Name']}` : []),
    );
}

const BY_KEY = /^(\w+_pkey|EngineRecord_uid_idx|Revocation_grantId_idx)$/;

test('SP-12: what requests ask is looked up by keys as long as PostgreSQL knows nothing of the tables yet', async () => {
  await askAll();
  const reads = new Map<string, string[]>();
  for (const [name, statement] of asked) reads.set(name, await readsOf(statement));
  const joined = ['refresh.findMany', 'code.findMany', 'redemption.RefreshToken', 'interaction.findWithSession'];
  for (const name of joined) expect(reads.get(name)?.length).toBeGreaterThan(1);
  const withOthers = Array.from(reads, ([name, all]) => [name, all.filter((read) => !BY_KEY.test(read))] as const);
  expect(withOthers.filter(([, others]) => others.length > 0)).toEqual([]);
});
