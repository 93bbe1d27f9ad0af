import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { types } from 'node:util';
import { createStatements, type SqliteResult, type SqliteStatements, type SqliteValue } from './sqlite-statements.ts';

/** How long a statement waits for another connection's transaction to end. */
const BUSY_TIMEOUT_MS = 10_000;

/** One connection for its whole life, that does one thing after the other. */
export type SqliteConnection = {
  /**
   * Runs one statement by itself, after what is being done already.
   *
   * @throws {SqliteError} where SQLite refuses it
   */
  run(sql: string, args?: readonly SqliteValue[]): Promise<SqliteResult>;
  /** Runs several statements, divided by semicolons. A transaction that they leave open is rolled back. */
  runScript(sql: string): Promise<void>;
  /** Begins a transaction as a writer, so that none of its statements fails because another connection wrote meanwhile. */
  begin(): Promise<SqliteTransaction>;
  close(): void;
};

/** A transaction, which has the connection for itself until it is over. */
export type SqliteTransaction = {
  run(sql: string, args?: readonly SqliteValue[]): SqliteResult;
  /** Makes it durable, or throws and leaves nothing of it. */
  commit(): void;
  rollback(): void;
};

/** SQLite's own error: `errcode` is the extended code, of which the lowest byte is the primary one, and `errstr` its text. */
export type SqliteError = Error & { code: 'ERR_SQLITE_ERROR'; errcode: number; errstr: string };

/**
 * Opens a file, and makes it when it is not there.
 *
 * While another connection writes, a statement is tried again for at most ten seconds. SQLite's own busy_timeout would hold
 * the event loop, and with it the transaction that is waited for when that is in this process.
 *
 * @param path absolute
 * @param busyTimeoutMs how long it is tried again
 */
export function openConnection(path: string, busyTimeoutMs = BUSY_TIMEOUT_MS): SqliteConnection {
  let opened: Opened | undefined = open(path);
  const now = () => {
    if (!opened) throw new TypeError('the connection is closed');
    return opened;
  };
  const takeTurn = createTurns();

  const whenNotBusy = async <T>(attempt: () => T): Promise<T> => {
    const deadline = performance.now() + busyTimeoutMs;
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        await delay(1 + Math.random() * 9);
      }
    }
  };

  const inTurn = async <T>(act: () => T): Promise<T> => {
    const end = await takeTurn();
    try {
      return await whenNotBusy(act);
    } finally {
      end();
    }
  };

  return {
    run: (sql, args) => inTurn(() => now().statements.run(sql, args)),
    runScript: (sql) => inTurn(() => runScript(now(), sql)),
    begin: async () => {
      const end = await takeTurn();
      try {
        await whenNotBusy(() => now().database.exec('BEGIN IMMEDIATE'));
        return transactionOn(now(), end);
      } catch (error) {
        end();
        throw error;
      }
    },
    close: () => {
      opened?.database.close();
      opened = undefined;
    },
  };
}

/** Whether SQLite itself said so. */
export function isSqliteError(error: unknown): error is SqliteError {
  return types.isNativeError(error) && 'errcode' in error;
}

type Opened = { database: DatabaseSync; statements: SqliteStatements };

function open(path: string): Opened {
  const database = new DatabaseSync(path);
  return { database, statements: createStatements(database) };
}

/** Whether another connection writes, or kept this one from writing for too long. */
export function isBusy(error: unknown): boolean {
  const primaryCodeMask = 0xff;
  const sqliteBusy = 5;
  return isSqliteError(error) && (error.errcode & primaryCodeMask) === sqliteBusy;
}

function runScript({ database, statements }: Opened, sql: string): void {
  try {
    database.exec(sql);
  } finally {
    statements.forget();
    if (database.isTransaction) database.exec('ROLLBACK');
  }
}

/** Ends with COMMIT and ROLLBACK as scripts, of which none stays half-run. */
function transactionOn({ database, statements }: Opened, endTurn: () => void): SqliteTransaction {
  let isOver = false;
  const end = (statement: 'COMMIT' | 'ROLLBACK') => {
    isOver = true;
    try {
      // SQLite has rolled back by itself where it could not write.
      if (statement === 'COMMIT' || database.isTransaction) database.exec(statement);
    } finally {
      // Nobody else would end it, and the connection is used on.
      if (database.isTransaction) database.exec('ROLLBACK');
      endTurn();
    }
  };
  return {
    run: (sql, args) => {
      if (isOver) throw new TypeError('the transaction is over');
      try {
        return statements.run(sql, args);
      } catch (error) {
        isOver = !database.isTransaction;
        throw error;
      }
    },
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
  };
}

/** Gives one turn after the other, in the order in which they are asked for. Whoever has one ends it. */
function createTurns(): () => Promise<() => void> {
  let last = Promise.resolve();
  return async () => {
    const before = last;
    const { promise, resolve } = Promise.withResolvers<void>();
    last = promise;
    await before;
    return resolve;
  };
}
