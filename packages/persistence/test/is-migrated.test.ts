import { expect, test } from '@jest/globals';
import { openTestDatabase } from './support/open-test-database.ts';

test('a database that lacks the newest migration says so, and one without tables fails', async () => {
  const opened = await openTestDatabase();
  try {
    const { prisma, isMigrated, ready } = opened.db;
    expect(await isMigrated()).toBe(true);
    await prisma.$executeRaw`UPDATE "_prisma_migrations" SET "finished_at" = NULL`;
    expect(await isMigrated()).toBe(false);
    await prisma.$executeRaw`DROP TABLE "_prisma_migrations"`;
    await expect(isMigrated()).rejects.toThrow();
    await expect(ready()).resolves.toBeUndefined();
  } finally {
    await opened.drop();
  }
});
