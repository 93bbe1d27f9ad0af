import { createHash } from 'node:crypto';
import type { Client } from '@libsql/client';
import { type AppliedMigration, type Migration, migrationFailed, pendingMigrations } from './migration-files.ts';

const createTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL,
  "checksum" TEXT NOT NULL,
  "finished_at" DATETIME,
  "migration_name" TEXT NOT NULL,
  "logs" TEXT,
  "rolled_back_at" DATETIME,
  "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
)`;

/**
 * Applies what the database lacks, each migration in a transaction of its own that records it too.
 *
 * Two processes may do so at once: the record's id follows from the migration's name, so one of them fails at its first
 * statement, and finds the work done.
 *
 * @param client used for nothing else, and closed afterwards
 * @throws {StartupError} when a migration fails, or does not fit what the database has
 */
export async function migrateSqlite(client: Client, migrations: readonly Migration[]): Promise<void> {
  let pending = pendingMigrations(migrations, await appliedMigrations(client));
  if (pending.length === 0) return;
  await client.execute(createTable);
  for (let next = pending[0]; next; next = pending[0]) {
    const failure = await apply(client, next);
    pending = pendingMigrations(migrations, await appliedMigrations(client));
    if (failure && pending.includes(next)) throw migrationFailed(next.name, failure.cause);
  }
}

async function apply(client: Client, migration: Migration): Promise<{ cause: unknown } | undefined> {
  // Dropping a table in order to build it anew must not empty those that refer to it.
  const script = `PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n${record(migration)};\n${migration.sql}\n;COMMIT;`;
  try {
    await client.executeMultiple(script);
    return undefined;
  } catch (cause) {
    return { cause };
  }
}

function record({ name, checksum }: Migration): string {
  const id = createHash('sha256').update(name).digest('hex').slice(0, 36);
  const quoted = [id, checksum, name].map((value) => `'${value.replaceAll("'", "''")}'`);
  return `INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "finished_at", "applied_steps_count")
    VALUES (${quoted.join(', ')}, unixepoch() * 1000, 1)`;
}

async function appliedMigrations(client: Client): Promise<AppliedMigration[]> {
  const table = await client.execute(`SELECT 1 FROM sqlite_master WHERE name = '_prisma_migrations'`);
  if (table.rows.length === 0) return [];
  const { rows } = await client.execute(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  );
  return rows.map((row) => ({
    name: String(row.migration_name),
    checksum: String(row.checksum),
    finished: row.finished_at !== null,
  }));
}
