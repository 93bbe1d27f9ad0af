import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clean } from '../../src/clean.ts';
import type { Database } from '../../src/database.ts';
import { type OpenTestDatabase, openTestDatabase, warmUp } from '../support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const ROWS = 1000;

let database: OpenTestDatabase;
let second: Database;
beforeAll(async () => {
  database = await openTestDatabase();
  second = await database.another();
  await warmUp(database.db, second);
});
afterAll(() => database.drop());

const fill = () =>
  database.db.prisma.replayedIdentifier.createMany({
    data: Array.from({ length: ROWS }, (_, index) => ({ id: `identifier-${index}`, expiresAt: now })),
  });
const left = () => database.db.prisma.replayedIdentifier.count();

/** The database, with something that is done inside each of its transactions, once all else in it is. */
function holding(db: Database, inside: () => Promise<void>): Database {
  const prisma = new Proxy(db.prisma, {
    get: (client, name) =>
      name === '$transaction'
        ? (work: (within: unknown) => Promise<unknown>, options: unknown) =>
            Reflect.apply(client.$transaction, client, [
              async (within: unknown) => {
                const result = await work(within);
                await inside();
                return result;
              },
              options,
            ])
        : Reflect.get(client, name),
  });
  return { ...db, prisma };
}

test('SP-5: while one replica cleans, another leaves it alone; and no transaction takes more than a batch', async () => {
  await fill();
  const seen: number[] = [];
  const removedMeanwhile: number[] = [];
  const first = holding(database.db, async () => {
    removedMeanwhile.push(await clean(second, now));
    seen.push(await left());
  });
  expect(await clean(first, now)).toBe(ROWS);
  expect(await left()).toBe(0);
  // What a batch removes is seen by others once it is committed: the next one's transaction shows it.
  const steps = seen.slice(1).map((count, index) => (seen[index] ?? 0) - count);
  expect(Math.max(...steps)).toBeLessThanOrEqual(200);
  expect(removedMeanwhile.reduce((sum, count) => sum + count, 0)).toBe(0);
});

test('SP-5: of several replicas that clean at once, all is removed, each row once', async () => {
  await fill();
  const counts = await Promise.all(
    Array.from({ length: 8 }, (_, index) => clean(index % 2 ? second : database.db, now)),
  );
  expect(counts.reduce((sum, count) => sum + count, 0) + (await clean(second, now))).toBe(ROWS);
  expect(await left()).toBe(0);
});
