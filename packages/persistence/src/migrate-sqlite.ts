import { createHash } from 'node:crypto';
import { type AppliedMigration, type Migration, migrationFailed, pendingMigrations } from './migration-files.ts';
import type { SqliteConnection } from './sqlite-connection.ts';

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
 * @param connection used for nothing else, and closed afterwards
 * @throws {StartupError} when a migration fails, or does not fit what the database has
 */
export async function migrateSqlite(connection: SqliteConnection, migrations: readonly Migration[]): Promise<void> {
  let pending = pendingMigrations(migrations, await appliedMigrations(connection));
  if (pending.length === 0) return;
  await connection.run(createTable);
  for (let next = pending[0]; next; next = pending[0]) {
    const failure = await apply(connection, next);
    pending = pendingMigrations(migrations, await appliedMigrations(connection));
    if (failure && pending.includes(next)) throw migrationFailed(next.name, failure.cause);
  }
}

async function apply(connection: SqliteConnection, migration: Migration): Promise<{ cause: unknown } | undefined> {
  // Dropping a table in order to build it anew must not empty those that refer to it.
  const script = `PRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n${record(migration)};\n${migration.sql}\n;COMMIT;`;
  try {
    await connection.runScript(script);
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

async function appliedMigrations(connection: SqliteConnection): Promise<AppliedMigration[]> {
  const table = await connection.run(`SELECT 1 FROM sqlite_master WHERE name = '_prisma_migrations'`);
  if (table.rows.length === 0) return [];
  const { rows } = await connection.run(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  );
  return rows.map(([name, checksum, finishedAt]) => ({
    name: String(name),
    checksum: String(checksum),
    finished: finishedAt !== null,
  }));
}
