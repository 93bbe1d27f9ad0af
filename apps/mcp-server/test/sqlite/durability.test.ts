import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Kysely, sql } from 'kysely';
import { sqliteDialect } from '../../src/store/sqlite-dialect.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-sqlite-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a commit that returned is on disk: write-ahead log, synchronised at each commit', async () => {
  const db = new Kysely<object>({ dialect: sqliteDialect(join(folder, 'desk.sqlite')) });
  const [mode] = (await sql`pragma journal_mode`.execute(db)).rows;
  const [synchronous] = (await sql`pragma synchronous`.execute(db)).rows;
  const [foreignKeys] = (await sql`pragma foreign_keys`.execute(db)).rows;
  await db.destroy();
  expect([mode, synchronous, foreignKeys]).toMatchObject([
    { journal_mode: 'wal' },
    { synchronous: 2 },
    { foreign_keys: 1 },
  ]);
});

test('the file and its log are readable by their owner alone', async () => {
  const file = join(folder, 'desk.sqlite');
  const db = new Kysely<object>({ dialect: sqliteDialect(file) });
  await sql`create table note (text text)`.execute(db);
  const modes = [file, `${file}-wal`].map((path) => (statSync(path).mode & 0o777).toString(8));
  await db.destroy();
  expect(modes).toEqual(['600', '600']);
});
