import { closeSync, openSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Client, createClient, LibsqlError } from '@libsql/client';
import { StartupError } from '@portcullis/platform';
import type { PrismaClient } from './generated/postgresql/client.ts';
import { PrismaClient as SqlitePrismaClient } from './generated/sqlite/client.ts';
import { readMigrations } from './migration-files.ts';
import { migrateSqlite } from './migrate-sqlite.ts';
import { SqliteAdapterFactory, whenNotBusy } from './sqlite-connection.ts';

/**
 * Opens, creates (readable by its owner alone) and migrates a SQLite file.
 *
 * @param url `file:` with an absolute path
 * @throws {StartupError} when the file cannot be opened or is no database of ours
 */
export async function openSqlite(url: string): Promise<PrismaClient> {
  const path = fileURLToPath(url);
  createFile(path);
  const location = pathToFileURL(path).href;
  const client = createClient({ url: location });
  try {
    await prepare(client);
  } catch (cause) {
    throw cause instanceof LibsqlError ? unusable(path, cause) : cause;
  } finally {
    client.close();
  }
  return connect(location);
}

function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown error';
    throw new StartupError(`The database file ${path} cannot be opened (${code}): check that its folder is there and writable`, { cause });
  }
}

async function prepare(client: Client): Promise<void> {
  await whenNotBusy(() => client.execute('PRAGMA journal_mode = WAL'));
  await migrateSqlite(client, readMigrations('sqlite'));
}

async function connect(url: string): Promise<PrismaClient> {
  const prisma = new SqlitePrismaClient({
    adapter: new SqliteAdapterFactory({ url }),
    transactionOptions: { maxWait: 10_000, timeout: 10_000 },
  });
  // A row that was acknowledged survives a power cut.
  await prisma.$executeRaw`PRAGMA synchronous = FULL`;
  await prisma.$executeRaw`PRAGMA foreign_keys = ON`;
  // Both clients come of one model and differ in the type of the filters' options alone.
  return prisma as unknown as PrismaClient;
}

function unusable(path: string, cause: LibsqlError): StartupError {
  const advice = cause.code === 'SQLITE_NOTADB' ? 'it is no SQLite database' : `SQLite says ${cause.code}`;
  return new StartupError(`The database file ${path} cannot be used: ${advice}`, { cause });
}
