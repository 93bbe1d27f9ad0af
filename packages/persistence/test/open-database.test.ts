import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { StartupError } from '@portcullis/platform';
import { findFreePort } from '@portcullis/test-database';
import { openDatabase } from '../src/database.ts';
import { atOnce, fulfilled, type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

async function refusal(url: string, migrateUrl?: string): Promise<Error> {
  const error = await openDatabase({ url, ...(migrateUrl && { migrateUrl }) }).then(
    (db) => db.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartupError);
  return error as Error;
}

test('a second start finds its rows and is ready', async () => {
  const again = await database.another();
  await expect(again.ready()).resolves.toBeUndefined();
  expect(again.kind).toBe(globalThis.portcullisTestDatabase ?? 'sqlite');
});

test('40 transactions at once over two connections all succeed, and count every write', async () => {
  const both = [database.db, await database.another()];
  await database.db.prisma.rateLimit.create({ data: { key: 'count', points: 0 } });
  const results = await atOnce(40, async (index) =>
    (both[index % 2] ?? database.db).prisma.$transaction(async ({ rateLimit }) => {
      await rateLimit.findUnique({ where: { key: 'count' } });
      await rateLimit.update({ where: { key: 'count' }, data: { points: { increment: 1 } } });
    }),
  );
  expect(fulfilled(results)).toBe(40);
  expect(await database.db.prisma.rateLimit.findUnique({ where: { key: 'count' } })).toMatchObject({ points: 40 });
});

test('a transaction that fails leaves nothing behind', async () => {
  const { prisma } = database.db;
  const failing = prisma.$transaction(async ({ rateLimit }) => {
    await rateLimit.create({ data: { key: 'rolled back', points: 1 } });
    throw new Error('on purpose');
  });
  await expect(failing).rejects.toThrow('on purpose');
  expect(await prisma.rateLimit.findUnique({ where: { key: 'rolled back' } })).toBeNull();
});

test('a database that cannot be reached stops the start with one line that holds no password', async () => {
  const url = `postgresql://portcullis:hunter2hunter2@127.0.0.1:${await findFreePort()}/portcullis`;
  const { message } = await refusal(url);
  expect(message).toContain('ECONNREFUSED');
  expect(message).not.toContain('hunter2');
  expect(message.split('\n')).toHaveLength(1);
});

test.each(['mysql://root:hunter2@localhost/x', 'postgresql://user:hunter2@[bad/x', 'hunter2'])(
  '%s is refused',
  async (url) => {
    expect((await refusal(url)).message).not.toContain('hunter2');
  },
);

test.each(['sslrootcert', 'sslcert', 'sslkey'])(
  'a file that %s names and nobody can read stops the start with one line',
  async (option) => {
    const url = `postgresql://user:geheim@127.0.0.1:1/x?sslmode=verify-full&${option}=/nowhere/file.pem`;
    for (const error of [await refusal(url), await refusal(`${url}&application_name=serving`, url)]) {
      expect(error.message).toMatch(/^DATABASE_URL .*names a file that cannot be read \(ENOENT\): .*sslrootcert/);
      expect(error.message).not.toMatch(/\n|geheim/);
    }
  },
);
