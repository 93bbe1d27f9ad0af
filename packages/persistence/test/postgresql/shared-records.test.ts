import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createAuditLog } from '../../src/audit-log.ts';
import type { Database } from '../../src/database.ts';
import type { Statement, StatementValue } from '../../src/statements/statement.ts';
import { type OpenTestDatabase, openTestDatabase } from '../support/open-test-database.ts';

let opened: OpenTestDatabase;
let asked: string[] = [];
/** The same database; what is asked is noted. */
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  const { statements } = opened.db;
  const run = <Row>(statement: Statement, ...values: StatementValue[]) => {
    asked.push(statement.name);
    return statements.run<Row>(statement, ...values);
  };
  database = { ...opened.db, statements: { ...statements, run } };
});
beforeEach(() => {
  asked = [];
});
afterAll(() => opened?.drop());

const event = (client: string, sizeBytes = 1) => ({
  ...({ type: 'token.issued', outcome: 'success' } as const),
  ...{ client, sizeBytes, time: new Date('2026-11-26T10:00:00.123Z') },
});
const recorded = async (client: string) =>
  (await createAuditLog(opened.db).list({ client })).map(({ id, ...rest }) => rest);

test('SP-37: records of the same moment share a statement, and each is there once it is said to be', async () => {
  const log = createAuditLog(database);
  await Promise.all(
    ['a', 'b', 'c'].map(async (client) => {
      await log.record(event(client));
      expect(await recorded(client)).toEqual([event(client)]);
    }),
  );
  expect(asked).toEqual(['auditEvent.createMany']);
});

test('SP-37: a record that the database refuses fails alone', async () => {
  const log = createAuditLog(database);
  const results = await Promise.allSettled([
    log.record(event('before')),
    log.record(event('refused', 2 ** 40)),
    log.record(event('after')),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await recorded('before')).toEqual([event('before')]);
  expect(await recorded('refused')).toEqual([]);
  expect(await recorded('after')).toEqual([event('after')]);
});
