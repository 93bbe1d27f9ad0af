import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import type { ArgScalarType, SqlDriverAdapter, SqlQuery } from '@prisma/driver-adapter-utils';
import { createSqliteAdapter } from '../../src/sqlite-adapter.ts';
import { mappedError } from '../../src/sqlite-error.ts';

const TABLE = `CREATE TABLE t (
  id INTEGER PRIMARY KEY, text TEXT UNIQUE, date DATETIME, truth BOOLEAN, big BIGINT, real REAL, decimal DECIMAL,
  bytes BLOB, json JSONB, needed TEXT NOT NULL DEFAULT '', parent INTEGER REFERENCES t (id)
)`;

let folder: string;
let ours: SqlDriverAdapter;
let prismas: SqlDriverAdapter;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-sqlite-'));
  ours = await createSqliteAdapter(join(folder, 'ours.sqlite')).connect();
  prismas = await new PrismaLibSql({ url: pathToFileURL(join(folder, 'prismas.sqlite')).href }).connect();
  for (const adapter of [ours, prismas]) await adapter.executeScript(TABLE);
});
afterEach(async () => {
  await ours.dispose();
  await prismas.dispose();
  rmSync(folder, { recursive: true });
});

type Arg = [value: unknown, scalarType: ArgScalarType];

function query(sql: string, ...args: Arg[]): SqlQuery {
  return {
    sql,
    args: args.map(([value]) => value),
    argTypes: args.map(([, scalarType]) => ({ scalarType, arity: 'scalar' })),
  };
}

/** What both say to the same, which has to be the same. */
async function both(asked: SqlQuery, door: 'queryRaw' | 'executeRaw' = 'queryRaw'): Promise<unknown> {
  const [our, their] = await Promise.all([ours, prismas].map((adapter) => adapter[door](asked).catch(told)));
  expect(our).toEqual(their);
  return our;
}

/** Theirs begins each message of the driver with the code, and then finds nothing that is missing in it. */
function told({ name, message, cause }: Error): unknown {
  return JSON.parse(JSON.stringify({ name, message, cause }).replaceAll(/SQLITE_\w+: /g, ''));
}

test.each<[column: string, Arg[]]>([
  [
    'text',
    [
      [null, 'string'],
      ['', 'string'],
      ['ä€𝄞', 'string'],
      ['7', 'enum'],
      ['{"a":1}', 'json'],
    ],
  ],
  [
    'date',
    [
      [null, 'datetime'],
      ['2026-01-02T03:04:05.678Z', 'datetime'],
      [new Date(1), 'datetime'],
      [86_400_000, 'int'],
    ],
  ],
  [
    'truth',
    [
      [null, 'boolean'],
      [true, 'boolean'],
      [false, 'boolean'],
    ],
  ],
  [
    'big',
    [
      ['9007199254740991', 'bigint'],
      ['-5', 'bigint'],
      [3n, 'bigint'],
      [null, 'bigint'],
      [2.5, 'float'],
    ],
  ],
  [
    'parent',
    [
      [null, 'int'],
      [1, 'int'],
      [1.5, 'float'],
    ],
  ],
  [
    'real',
    [
      [1.5, 'float'],
      [2, 'float'],
      [-1e300, 'float'],
      [null, 'float'],
    ],
  ],
  [
    'decimal',
    [
      ['1.25', 'decimal'],
      ['3', 'decimal'],
    ],
  ],
  [
    'bytes',
    [
      ['AAH/', 'bytes'],
      ['', 'bytes'],
      [Buffer.from([1, 2, 3]), 'bytes'],
      [null, 'bytes'],
    ],
  ],
  [
    'json',
    [
      ['{"a":[1]}', 'json'],
      [null, 'json'],
    ],
  ],
])('values in a column for %s are kept and given as by the adapter of Prisma', async (column, values) => {
  await both(query('PRAGMA foreign_keys = OFF'));
  for (const value of values) await both(query(`INSERT INTO t (${column}) VALUES (?)`, value), 'executeRaw');
  await both(query(`SELECT id, ${column} FROM t ORDER BY id`));
  await both(query(`SELECT ${column} || '', typeof(${column}), max(${column}), count(*) FROM t`));
  for (const value of values) await both(query('SELECT ? AS value', value));
});

test.each<[what: string, SqlQuery]>([
  ['a row that is returned', query(`INSERT INTO t (text) VALUES ('new') RETURNING id, text, date`)],
  ['rows that are changed', query(`UPDATE t SET date = ?`, ['2026-01-01T00:00:00Z', 'datetime'])],
  ['nothing that is changed', query('DELETE FROM t WHERE id = 99')],
  ['no rows', query('SELECT id, text, 1 + 1 AS two FROM t WHERE id = 99')],
  ['columns of one name', query('SELECT id, id, text AS id FROM t')],
  ['a setting', query('PRAGMA synchronous')],
])('%s is told as by the adapter of Prisma', async (_what, asked) => {
  await both(query(`INSERT INTO t (text) VALUES ('first'), ('second')`), 'executeRaw');
  await both(asked);
  await both(asked, 'executeRaw');
});

test.each<[what: string, SqlQuery]>([
  ['a key that is there', query(`INSERT INTO t (id) VALUES (1)`)],
  ['a value that is there', query(`INSERT INTO t (text) VALUES ('first')`)],
  ['a value that is missing', query('INSERT INTO t (needed) VALUES (NULL)')],
  ['a row that is referred to and not there', query('INSERT INTO t (parent) VALUES (99)')],
  ['a column that cannot be written', query('INSERT INTO t (missing) VALUES (1)')],
  ['no SQL', query('SELEKT')],
  ['an overflow', query('SELECT abs(-9223372036854775807 - 1)')],
])('an error about %s is told as by the adapter of Prisma', async (_what, asked) => {
  await both(query(`INSERT INTO t (text) VALUES ('first')`), 'executeRaw');
  const told = { name: 'DriverAdapterError', cause: { originalMessage: expect.any(String) } };
  for (const door of ['queryRaw', 'executeRaw'] as const) expect(await both(asked, door)).toMatchObject(told);
});

test('what is missing is named', async () => {
  await expect(ours.queryRaw(query('SELECT 1 FROM missing'))).rejects.toMatchObject({
    cause: { kind: 'TableDoesNotExist', table: 'missing' },
  });
  await expect(ours.queryRaw(query('SELECT missing FROM t'))).rejects.toMatchObject({
    cause: { kind: 'ColumnNotFound', column: 'missing' },
  });
});

test('a database that stays busy is a time-out to Prisma', async () => {
  const error = { code: 'ERR_SQLITE_ERROR', errcode: 517, errstr: 'database is locked' } as const;
  expect(mappedError(Object.assign(new Error(error.errstr), error))).toMatchObject({
    kind: 'SocketTimeout',
    originalCode: '517',
  });
});

test('a text is kept to its end, where the adapter of Prisma cuts it at a NUL', async () => {
  const [row] = (await ours.queryRaw(query('SELECT ?', ['ä\u0000€𝄞', 'string']))).rows;
  expect(row).toEqual(['ä\u0000€𝄞']);
});

test('an integer that a number cannot hold comes as it is, where the adapter of Prisma fails', async () => {
  const [row] = (await ours.queryRaw(query('SELECT ?', ['9223372036854775807', 'bigint']))).rows;
  expect(row).toEqual(['9223372036854775807']);
});

test.each<[what: unknown, Arg]>([
  ['no number', [Number.NaN, 'float']],
  ['what is endless', [Number.POSITIVE_INFINITY, 'float']],
  ['more than 64 bits', ['9223372036854775808', 'bigint']],
  ['nothing', [undefined, 'string']],
  ['a list', [[1], 'unknown']],
])('%s is not bound as something else', async (_what, value) => {
  await expect(ours.executeRaw(query('INSERT INTO t (text) VALUES (?)', value))).rejects.toThrow();
  expect((await ours.queryRaw(query('SELECT count(*) FROM t'))).rows).toEqual([[0]]);
});

test('what was done since a savepoint can be taken back by itself', async () => {
  const transaction = await ours.startTransaction('SERIALIZABLE');
  await transaction.executeRaw(query(`INSERT INTO t (text) VALUES ('kept')`));
  await transaction.createSavepoint?.('one');
  await transaction.executeRaw(query(`INSERT INTO t (text) VALUES ('taken back')`));
  await transaction.rollbackToSavepoint?.('one');
  await transaction.releaseSavepoint?.('one');
  await transaction.commit();
  expect((await ours.queryRaw(query('SELECT text FROM t'))).rows).toEqual([['kept']]);
  await expect(ours.startTransaction('READ COMMITTED')).rejects.toMatchObject({
    cause: { kind: 'InvalidIsolationLevel' },
  });
});
