import { expect, test } from '@jest/globals';
import { createTestDatabase } from '@portcullis/test-database';
import pg from 'pg';
import { type Database, openDatabase } from '../../src/database.ts';
import { CLIENT_BY_ID } from '../../src/statements/lookups.ts';

test.each([
  ['Prisma’s client', ({ ready }: Database) => ready()],
  ['statements alone', ({ statements }: Database) => statements.run(CLIENT_BY_ID, 'nobody')],
])('a server that ends all connections of %s ends neither the process nor the service', async (_of, ask) => {
  const { url, drop } = await createTestDatabase();
  const db = await openDatabase({ url });
  await Promise.all([ask(db), ask(db), ask(db)]);

  const operator = new pg.Client({ connectionString: url });
  await operator.connect();
  const ended = await operator.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await operator.end();
  expect(ended.rowCount).toBeGreaterThan(0);

  const deadline = Date.now() + 10_000;
  const answers = () =>
    ask(db).then(
      () => true,
      () => false,
    );
  let answered = await answers();
  while (!answered && Date.now() < deadline) answered = await answers();
  expect(answered).toBe(true);
  await db.close();
  await drop();
});
