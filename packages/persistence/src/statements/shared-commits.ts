import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { isBusy } from '../sqlite-connection.ts';
import { createStatements, type SqliteValue } from '../sqlite-statements.ts';
import { quietTurn } from './quiet-turn.ts';
import type { RunNow, Statement, Statements, StatementValue } from './statement.ts';

/** How long a statement waits for another connection's transaction to end. */
const BUSY_TIMEOUT_MS = 10_000;

/** How long a commit waits at most for those that are on their way. */
const MOST_WAITED_MS = 10;

/** Statements on a connection of their own. */
export type SharedCommits = Statements & {
  /** Ends the connection once everything that was begun is done. */
  close(): Promise<void>;
};

/**
 * Opens a file that is there and migrated. The driver works in this thread, and between the beginning of a transaction
 * and its commit nothing else happens here: no other connection of this process ever waits for one.
 */
export function openSharedCommits(path: string): SharedCommits {
  const connection = new DatabaseSync(path);
  const run = runOn(connection);
  const waiting: Unit[] = [];
  let committing: Promise<void> | undefined;
  let lastCommitMs = 0;

  const commitWaiting = async () => {
    while (waiting.length > 0) {
      // Waiting for the disk once for all of them is worth as long as that takes.
      await quietTurn(Math.min(lastCommitMs, MOST_WAITED_MS));
      try {
        await whenNotBusy(() => connection.exec('BEGIN IMMEDIATE'));
        const begunAt = performance.now();
        commit(connection, run, waiting.splice(0));
        lastCommitMs = performance.now() - begunAt;
      } catch (cause) {
        for (const { reject } of waiting.splice(0)) reject(cause);
      }
    }
    committing = undefined;
  };
  const inOneCommit = <T>(work: (now: RunNow) => T, { isOneStatement = false } = {}) =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ work, isOneStatement, resolve: resolve as (result: unknown) => void, reject });
      committing ??= commitWaiting();
    });

  return {
    run: <Row>(statement: Statement, ...values: StatementValue[]) =>
      statement.writes
        ? inOneCommit((now) => now<Row>(statement, ...values), { isOneStatement: true })
        : whenNotBusy(() => run<Row>(statement, ...values)),
    inOneCommit: (work) => inOneCommit(work),
    close: async () => {
      await committing;
      connection.close();
    },
  };
}

/** What one caller wants written, and how it is told what became of that. */
type Unit = {
  work(run: RunNow): unknown;
  /** SQLite takes back by itself what a statement wrote that fails. */
  isOneStatement: boolean;
  resolve(result: unknown): void;
  reject(cause: unknown): void;
};

/** Does the work of each in a transaction that has begun, and commits; one that fails takes back its own writes alone. */
function commit(connection: DatabaseSync, run: RunNow, units: readonly Unit[]): void {
  try {
    const settled = units.map((unit) => attempt(connection, run, unit));
    connection.exec('COMMIT');
    for (const settle of settled) settle();
  } catch (cause) {
    for (const { reject } of units) reject(cause);
    // A full disk ends a transaction by itself.
    if (connection.isTransaction) connection.exec('ROLLBACK');
  }
}

/** Returns what tells the caller, once it is true. */
function attempt(connection: DatabaseSync, run: RunNow, unit: Unit): () => void {
  const { work, isOneStatement, resolve, reject } = unit;
  if (!isOneStatement) connection.exec('SAVEPOINT "unit"');
  try {
    const result = work(run);
    if (!isOneStatement) connection.exec('RELEASE "unit"');
    return () => resolve(result);
  } catch (cause) {
    // What has ended the transaction by itself has ended it for everybody.
    if (!connection.isTransaction) throw cause;
    if (!isOneStatement) connection.exec('ROLLBACK TO "unit"; RELEASE "unit"');
    return () => reject(cause);
  }
}

/** Rows as Prisma's client would give them. */
function runOn(connection: DatabaseSync): RunNow {
  const prepared = createStatements(connection);
  return <Row>({ sqlite }: Statement, ...values: StatementValue[]) => {
    const { columns, declaredTypes, rows } = prepared.run(sqlite, values.map(toSqlite));
    return rows.map((cells) => {
      const row: Record<string, unknown> = {};
      for (const [index, cell] of cells.entries()) row[columns[index] ?? ''] = read(cell, declaredTypes[index]);
      return row as Row;
    });
  };
}

/** SQLite has neither booleans nor times; what a column was declared as says what its numbers and texts stand for. */
function read(value: SqliteValue, declared: string | undefined): unknown {
  if (value === null) return null;
  switch (declared) {
    case 'BOOLEAN':
      return Number(value) !== 0;
    case 'DATETIME':
      return new Date(String(value));
    case 'INTEGER':
      return Number(value);
    default:
      return value;
  }
}

/** Times as Prisma's adapter writes them: they are compared as texts. */
function toSqlite(value: StatementValue): SqliteValue {
  if (value instanceof Date) return value.toISOString().replace('Z', '+00:00');
  return typeof value === 'boolean' ? Number(value) : value;
}

/** Tries again while another connection writes. SQLite's own busy_timeout would hold the event loop. */
async function whenNotBusy<T>(attempt: () => T): Promise<T> {
  const deadline = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await delay(1 + Math.random() * 9);
    }
  }
}
