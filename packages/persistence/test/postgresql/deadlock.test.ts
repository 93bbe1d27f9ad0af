import { expect, test } from '@jest/globals';
import type { Database } from '../../src/database.ts';
import { inOneCommit } from '../../src/transaction.ts';
import { openTestDatabase } from '../support/open-test-database.ts';

test('two that lock each other out are both done in the end', async () => {
  const { db, drop } = await openTestDatabase();
  const now = new Date('2026-11-20T10:00:00Z');
  const user = (id: string) => ({ id, email: `${id}@example.com`, createdAt: now, updatedAt: now });
  await db.prisma.user.createMany({ data: [user('one'), user('other')] });

  let holding = 0;
  let bothHold = () => {};
  const untilBothHold = new Promise<void>((resolve) => {
    bothHold = resolve;
  });
  const touch = ({ prisma }: Database, id: string) => prisma.user.update({ where: { id }, data: { updatedAt: now } });
  const crossing = (first: string, second: string) =>
    inOneCommit(db, async (within) => {
      await touch(within, first);
      holding += 1;
      if (holding === 2) bothHold();
      await untilBothHold;
      await touch(within, second);
      return first;
    });
  expect(await Promise.all([crossing('one', 'other'), crossing('other', 'one')])).toEqual(['one', 'other']);
  expect(holding).toBe(3);
  await drop();
});
