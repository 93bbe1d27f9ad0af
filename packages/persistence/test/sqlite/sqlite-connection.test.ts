import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openConnection, type SqliteConnection } from '../../src/sqlite-connection.ts';

const INSERT = 'INSERT INTO t VALUES (?, ?)';
const COUNT = 'SELECT count(*) FROM t';

let folder: string;
let opened: SqliteConnection[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-sqlite-'));
  opened = [];
  await open().runScript('PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)');
});
afterEach(() => {
  for (const connection of opened) connection.close();
  rmSync(folder, { recursive: true });
});

function open(busyTimeoutMs?: number): SqliteConnection {
  const connection = openConnection(join(folder, 'test.sqlite'), busyTimeoutMs);
  opened.push(connection);
  return connection;
}

async function only(connection: SqliteConnection, sql: string): Promise<unknown> {
  return (await connection.run(sql)).rows[0]?.[0];
}

/** Begins, writes and commits: refused as long as another statement of the connection is half-run. */
async function writeInTransaction(connection: SqliteConnection, id: bigint): Promise<void> {
  const transaction = await connection.begin();
  transaction.run(INSERT, [id, `transaction-${id}`]);
  transaction.commit();
}

test('a statement that is busy waits without holding the event loop, and is then run with its own values', async () => {
  const [holder, waiting] = [open(), open()];
  await waiting.run(INSERT, [1n, 'one']);
  const transaction = await holder.begin();
  transaction.run(INSERT, [2n, 'two']);
  let done = false;
  const write = waiting.run(INSERT, [3n, 'three']).then(() => {
    done = true;
  });
  const behind = waiting.begin();
  for (let turns = 0; turns < 100; turns += 1) await turn();
  expect(done).toBe(false);
  transaction.commit();
  await write;
  const next = await behind;
  next.run(INSERT, [4n, 'four']);
  next.commit();
  expect((await holder.run('SELECT id, name FROM t')).rows).toEqual([
    [1n, 'one'],
    [2n, 'two'],
    [3n, 'three'],
    [4n, 'four'],
  ]);
});

test.each(['begin', 'write'])(
  'who was busy for too long (%s) is told so, and can use the connection on',
  async (what) => {
    const [holder, waiting] = [open(), open(20)];
    const transaction = await holder.begin();
    await expect(what === 'begin' ? waiting.begin() : waiting.run('DELETE FROM t')).rejects.toMatchObject({
      errcode: 5,
    });
    transaction.rollback();
    await writeInTransaction(waiting, 2n);
    await writeInTransaction(holder, 3n);
    expect(await only(holder, COUNT)).toBe(2n);
  },
);

test('many more statements than are kept are each answered with what they ask for', async () => {
  const connection = open();
  for (let round = 0; round < 2; round += 1)
    for (let index = 0; index < 600; index += 1) {
      const { rows, columns } = await connection.run(`SELECT ? + ${index} AS "c${index}"`, [1n]);
      expect({ rows, columns }).toEqual({ rows: [[BigInt(index + 1)]], columns: [`c${index}`] });
    }
});

test('an error half-way through the rows or writes of a statement leaves nothing behind that keeps a transaction open', async () => {
  const connection = open();
  const overflow = 'SELECT abs(value) FROM (SELECT 1 AS value UNION ALL SELECT -9223372036854775807 - ?)';
  for (let round = 0n; round < 3n; round += 1n) {
    const transaction = await connection.begin();
    expect(transaction.run(overflow, [0n]).rows).toHaveLength(2);
    expect(() => transaction.run(overflow, [1n])).toThrow('integer overflow');
    transaction.run(INSERT, [round, `${round}`]);
    const twice = 'INSERT INTO t SELECT value, ? FROM (SELECT 10 AS value UNION ALL SELECT 11) RETURNING id';
    expect(() => transaction.run(twice, ['same'])).toThrow('UNIQUE constraint failed');
    transaction.commit();
  }
  expect(await only(connection, COUNT)).toBe(3n);
  // A reader that is not over would keep the log from being emptied.
  expect((await connection.run('PRAGMA wal_checkpoint(TRUNCATE)')).rows[0]?.[0]).toBe(0n);
});

test('a transaction that cannot be committed is rolled back, and the next one is not refused', async () => {
  const connection = open();
  await connection.runScript(
    'CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)',
  );
  const transaction = await connection.begin();
  transaction.run(INSERT, [1n, 'one']);
  transaction.run('INSERT INTO child VALUES (1, 99)');
  expect(() => transaction.commit()).toThrow('FOREIGN KEY constraint failed');
  expect(() => transaction.run(COUNT)).toThrow('the transaction is over');
  expect(await only(connection, COUNT)).toBe(0n);
  await writeInTransaction(connection, 1n);
});

test('a transaction that SQLite has ended by itself takes no more writes', async () => {
  const connection = open();
  const transaction = await connection.begin();
  expect(() => transaction.run('INSERT OR ROLLBACK INTO t VALUES (1, 1), (1, 1)')).toThrow('UNIQUE constraint failed');
  expect(() => transaction.run(INSERT, [2n, 'two'])).toThrow('the transaction is over');
  expect(() => transaction.commit()).toThrow('no transaction is active');
  await writeInTransaction(connection, 3n);
  expect(await only(connection, COUNT)).toBe(1n);
});

test('what comes while a transaction is open waits for its end, in the order in which it came', async () => {
  const connection = open();
  const transaction = await connection.begin();
  const ids = [1n, 2n, 3n];
  const writes = ids.map((id) => connection.run('INSERT INTO t VALUES (?, (SELECT count(*) FROM t))', [id]));
  await turn();
  expect(transaction.run(COUNT).rows).toEqual([[0n]]);
  transaction.rollback();
  await Promise.all(writes);
  expect((await connection.run('SELECT id FROM t ORDER BY name')).rows).toEqual(ids.map((id) => [id]));
});

test('a script that fails leaves no transaction open', async () => {
  const connection = open();
  await expect(connection.runScript('BEGIN; INSERT INTO t VALUES (1, 1); SELECT nonsense')).rejects.toThrow(
    'no such column',
  );
  await writeInTransaction(connection, 2n);
  expect(await only(connection, COUNT)).toBe(1n);
});

test('statements that were prepared before a table was changed give what is there now, whoever changed it', async () => {
  const [reader, other] = [open(), open()];
  const star = 'SELECT * FROM t';
  const named = 'SELECT name FROM t';
  await reader.run(INSERT, [1n, 'one']);
  expect((await reader.run(star)).columns).toEqual(['id', 'name']);
  expect((await reader.run(named)).rows).toEqual([['one']]);
  await other.run(`ALTER TABLE t ADD COLUMN added TEXT DEFAULT 'a'`);
  expect(await reader.run(star)).toMatchObject({ columns: ['id', 'name', 'added'], rows: [[1n, 'one', 'a']] });
  await other.run('ALTER TABLE t RENAME COLUMN added TO renamed');
  expect((await reader.run(star)).columns).toEqual(['id', 'name', 'renamed']);
  await reader.run(named);
  await reader.runScript('CREATE TABLE u AS SELECT id, 7 AS name FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t');
  expect(await reader.run(named)).toMatchObject({ declaredTypes: [''], rows: [[7n]] });
  await reader.run('DROP TABLE t');
  await expect(reader.run(named)).rejects.toThrow('no such table: t');
  await reader.run('CREATE TABLE t (name BLOB)');
  expect((await reader.run(named)).declaredTypes).toEqual(['BLOB']);
});

test('a connection that was closed takes nothing more', async () => {
  const connection = open();
  connection.close();
  await expect(connection.run(COUNT)).rejects.toThrow('the connection is closed');
  await expect(connection.begin()).rejects.toThrow('the connection is closed');
});
