import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { StartupError } from '@portcullis/platform';
import { errorCode } from './error-code.ts';
import type { PrismaClient } from './generated/postgresql/client.ts';
import { PrismaClient as SqlitePrismaClient } from './generated/sqlite/client.ts';
import { migrateSqlite } from './migrate-sqlite.ts';
import { readMigrations } from './migration-files.ts';
import { createSqliteAdapter } from './sqlite-adapter.ts';
import { isSqliteError, openConnection, type SqliteConnection, type SqliteError } from './sqlite-connection.ts';
import { openSharedCommits } from './statements/shared-commits.ts';
import type { Statements } from './statements/statement.ts';

type SqliteConnections = { prisma: PrismaClient; statements: Statements; disconnect(): Promise<void> };

/**
 * Opens, creates (readable by its owner alone) and migrates a SQLite file.
 *
 * @param url `file:` with an absolute path
 * @throws {StartupError} when the file cannot be opened or is no database of ours
 */
export async function openSqlite(url: string): Promise<SqliteConnections> {
  const path = fileURLToPath(url);
  createFile(path);
  try {
    await prepare(openConnection(path));
  } catch (cause) {
    throw isSqliteError(cause) ? unusable(path, cause) : cause;
  }
  const prisma = connect(path);
  const statements = openSharedCommits(path);
  return {
    prisma,
    statements,
    disconnect: async () => {
      await statements.close();
      await prisma.$disconnect();
    },
  };
}

function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch (cause) {
    const code = errorCode(cause) ?? 'unknown error';
    throw new StartupError(
      `The database file ${path} cannot be opened (${code}): check that its folder is there and writable`,
      { cause },
    );
  }
}

async function prepare(connection: SqliteConnection): Promise<void> {
  try {
    await connection.run('PRAGMA journal_mode = WAL');
    await migrateSqlite(connection, readMigrations('sqlite'));
  } finally {
    connection.close();
  }
}

function connect(path: string): PrismaClient {
  const prisma = new SqlitePrismaClient({
    adapter: createSqliteAdapter(path),
    transactionOptions: { maxWait: 10_000, timeout: 10_000 },
  });
  // Node's SQLite is opened with synchronous = FULL and foreign keys on; a test holds it to that.
  // Both clients come of one model and differ in the type of the filters' options alone.
  return prisma as unknown as PrismaClient;
}

function unusable(path: string, cause: SqliteError): StartupError {
  const notADatabase = 26;
  const advice = cause.errcode === notADatabase ? 'it is no SQLite database' : `SQLite says "${cause.errstr}"`;
  return new StartupError(`The database file ${path} cannot be used: ${advice}`, { cause });
}
