import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openSharedCommits, type SharedCommits } from '../../src/statements/shared-commits.ts';
import { reading, writing } from '../../src/statements/statement.ts';

const ADD = writing('add', 'INSERT INTO "Number" VALUES ($1)');
const ALL = reading('all', 'SELECT "n" FROM "Number" ORDER BY "n"');

let folder: string;
let other: DatabaseSync;
let statements: SharedCommits;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-commit-'));
  const file = join(folder, 'numbers.sqlite');
  other = new DatabaseSync(file);
  other.exec('PRAGMA journal_mode = WAL; CREATE TABLE "Number" ("n" INTEGER PRIMARY KEY)');
  statements = openSharedCommits(file);
});
afterEach(async () => {
  await statements.close();
  other.close();
  await rm(folder, { recursive: true });
});

const numbers = () => (other.prepare(ALL.sqlite).all() as { n: number }[]).map(({ n }) => n);

test('what fails takes back its own writes, and nobody else’s that share its commit', async () => {
  const results = await Promise.allSettled(
    [1, 2, 1, 3].map((n) =>
      statements.inOneCommit((run) => {
        run(ADD, n * 10);
        run(ADD, n);
        return n;
      }),
    ),
  );
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect(numbers()).toEqual([1, 2, 3, 10, 20, 30]);
});

test('a statement by itself that fails leaves nothing, and what shares its commit stays', async () => {
  const addTwo = writing('add two', 'INSERT INTO "Number" SELECT $1 UNION ALL SELECT $2');
  const results = await Promise.allSettled([
    statements.run(ADD, 1),
    statements.run(addTwo, 2, 1),
    statements.inOneCommit((run) => run(ADD, 3)),
    statements.run(ADD, 4),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect(numbers()).toEqual([1, 3, 4]);
});

test('each sees what was written before its turn, and nobody is told before it is durable', async () => {
  const seen: unknown[] = [];
  const both = [1, 2].map((n) =>
    statements
      .inOneCommit((run) => {
        run(ADD, n);
        return run(ALL).length;
      })
      .then((count) => seen.push([count, numbers().length])),
  );
  await Promise.all(both);
  expect(seen).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

test('while another connection writes, it waits, and the event loop goes on', async () => {
  other.exec('BEGIN IMMEDIATE');
  let done = false;
  const written = statements.run(ADD, 1).then(() => {
    done = true;
  });
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  expect(done).toBe(false);
  expect(await statements.run(ALL)).toEqual([]);
  other.prepare(ADD.sqlite).run(2);
  other.exec('COMMIT');
  await written;
  expect(numbers()).toEqual([1, 2]);
});

test('what ends the transaction itself ends it for everybody who shares it, and each hears why', async () => {
  other.exec(`CREATE TRIGGER "full" BEFORE INSERT ON "Number" WHEN NEW."n" = 13
    BEGIN SELECT RAISE(ROLLBACK, 'no space left'); END`);
  const results = await Promise.allSettled([1, 13, 2].map((n) => statements.run(ADD, n)));
  for (const result of results)
    expect(result).toMatchObject({ reason: { message: expect.stringMatching('no space') } });
  expect(numbers()).toEqual([]);
  await statements.run(ADD, 3);
  expect(numbers()).toEqual([3]);
});

test('where the commit itself fails, nobody is told that it is done, and the next one is', async () => {
  other.exec('CREATE TABLE "Child" ("n" INTEGER REFERENCES "Number" ("n") DEFERRABLE INITIALLY DEFERRED)');
  const orphan = writing('orphan', 'INSERT INTO "Child" VALUES ($1)');
  const results = await Promise.allSettled([statements.run(ADD, 1), statements.run(orphan, 99)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(numbers()).toEqual([]);
  await statements.run(ADD, 2);
  expect(numbers()).toEqual([2]);
});

test('it ends after what was begun', async () => {
  const written = statements.run(ADD, 1);
  await statements.close();
  await written;
  expect(numbers()).toEqual([1]);
  statements = openSharedCommits(join(folder, 'numbers.sqlite'));
});
