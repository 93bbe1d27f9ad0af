import { expect, test } from '@jest/globals';
import { COUNTER_OF } from '../../src/statements/counters.ts';
import { openTestDatabase } from '../support/open-test-database.ts';

test('a statement that was prepared before a table changed goes on working', async () => {
  const { db, drop } = await openTestDatabase();
  await db.prisma.rateLimit.create({ data: { key: 'counter', points: 3, expire: null } });
  const count = () => db.statements.run(COUNTER_OF, 'counter', new Date());
  expect(await count()).toEqual([{ points: 3, expire: null }]);
  await db.prisma.$executeRaw`ALTER TABLE "RateLimit" ALTER COLUMN "points" TYPE bigint`;
  for (let nth = 0; nth < 3; nth++) expect(await count()).toEqual([{ points: 3n, expire: null }]);
  await drop();
});

test('a statement goes on working when a pooler has put another connection in the place of the one that prepared it', async () => {
  const { db, drop } = await openTestDatabase();
  const count = () => db.statements.run(COUNTER_OF, 'nothing', new Date());
  await count();
  await db.prisma.$executeRawUnsafe('DEALLOCATE ALL');
  expect(await count()).toEqual([]);
  await drop();
});
