import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StartupError } from '@portcullis/platform';
import { openDatabase } from '../../src/database.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis sqlite %41 #-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the file is durable on each write, and for its owner alone', async () => {
  const path = join(folder, 'test.sqlite');
  const db = await openDatabase({ url: pathToFileURL(path).href });
  await db.prisma.$transaction(async ({ rateLimit }) => rateLimit.create({ data: { key: 'a', points: 1 } }));
  const pragma = async (name: string) =>
    Object.values((await db.prisma.$queryRawUnsafe<object[]>(`PRAGMA ${name}`))[0] ?? {})[0];
  expect(await pragma('journal_mode')).toBe('wal');
  expect(Number(await pragma('synchronous'))).toBe(2);
  expect(Number(await pragma('foreign_keys'))).toBe(1);
  for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  await db.close();
});

test('the roles of a user go with the user', async () => {
  const db = await openDatabase({ url: pathToFileURL(join(folder, 'test.sqlite')).href });
  const now = new Date();
  await db.prisma.user.create({
    data: { id: 'u', email: 'e', createdAt: now, updatedAt: now, roles: { create: [{ role: 'admin' }] } },
  });
  await db.prisma.user.delete({ where: { id: 'u' } });
  expect(await db.prisma.userRole.count()).toBe(0);
  await db.close();
});

test('a file that is no database, or cannot be made, stops the start', async () => {
  const path = join(folder, 'text.sqlite');
  writeFileSync(path, 'this is no database at all, only some text that is long enough'.repeat(20));
  await expect(openDatabase({ url: pathToFileURL(path).href })).rejects.toThrow(/is no SQLite database/);
  const missing = openDatabase({ url: pathToFileURL(join(folder, 'missing', 'test.sqlite')).href });
  await expect(missing).rejects.toThrow(StartupError);
  await expect(missing).rejects.toThrow(/ENOENT/);
});
