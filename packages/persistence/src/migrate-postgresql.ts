import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { type AppliedMigration, type Migration, migrationFailed, pendingMigrations } from './migration-files.ts';

/** The lock that Prisma's CLI takes, so that it and we wait for one another. */
const migrationLock = 72_707_369;

const createTable = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`;

/**
 * Applies what the database lacks, in one transaction. Replicas that start at once wait for the first.
 *
 * @param client connected as the role that owns the tables
 * @throws {StartupError} when a migration fails, or does not fit what the database has
 */
export async function migratePostgresql(client: Client, migrations: readonly Migration[]): Promise<void> {
  if (pendingMigrations(migrations, await appliedMigrations(client)).length === 0) return;
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
    const pending = pendingMigrations(migrations, await appliedMigrations(client));
    if (pending.length > 0) await client.query(createTable);
    for (const migration of pending) await apply(client, migration);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function apply(client: Client, migration: Migration): Promise<void> {
  try {
    await client.query(migration.sql);
  } catch (cause) {
    throw migrationFailed(migration.name, cause);
  }
  await client.query(
    `INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "finished_at", "applied_steps_count")
     VALUES ($1, $2, $3, now(), 1)`,
    [randomUUID(), migration.checksum, migration.name],
  );
}

async function appliedMigrations(client: Client): Promise<AppliedMigration[]> {
  // A scan, not to_regclass: that answers from a cache, which taking the lock does not refresh.
  const table = await client.query(
    `SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_prisma_migrations'`,
  );
  if (table.rows.length === 0) return [];
  const { rows } = await client.query<AppliedMigration>(
    `SELECT migration_name AS "name", checksum, finished_at IS NOT NULL AS "finished"
     FROM "_prisma_migrations" WHERE rolled_back_at IS NULL`,
  );
  return rows;
}

/**
 * Lets the serving role read and write rows, and no more: it does not own the tables, and only adds to the audit trail.
 * It may seal a record there, which a trigger allows once, and cannot say that records were moved out.
 *
 * @param client connected as the owner
 * @param role the serving role's name
 */
export async function grantToServingRole(client: Client, role: string): Promise<void> {
  const name = client.escapeIdentifier(role);
  await client.query(`
    GRANT USAGE ON SCHEMA public TO ${name};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${name};
    REVOKE UPDATE, DELETE ON "AuditEvent" FROM ${name};
    GRANT UPDATE ("seq", "previousHash", "hash") ON "AuditEvent" TO ${name};
    REVOKE INSERT, UPDATE, DELETE ON "AuditSegment" FROM ${name};
    REVOKE INSERT, UPDATE, DELETE ON "_prisma_migrations" FROM ${name};
  `);
}
