import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { StartupError } from '@portcullis/platform';

/** One step of the schema, as it stands in prisma/<database>/migrations. */
export type Migration = {
  name: string;
  sql: string;
  /** SHA-256 in hexadecimal digits, as Prisma's own CLI computes it. */
  checksum: string;
};

/** A row of `_prisma_migrations`. */
export type AppliedMigration = { name: string; checksum: string; finished: boolean };

/** Reads the migrations that came with this version, in the order in which they apply. */
export function readMigrations(database: 'sqlite' | 'postgresql'): Migration[] {
  return namesOf(database).map((name) => {
    const sql = readFileSync(new URL(`${name}/migration.sql`, folderOf(database)), 'utf8');
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

/** The name of the last one. */
export function newestMigration(database: 'sqlite' | 'postgresql'): string {
  return namesOf(database).at(-1) ?? '';
}

function folderOf(database: 'sqlite' | 'postgresql'): URL {
  return new URL(`../../../prisma/${database}/migrations/`, import.meta.url);
}

function namesOf(database: 'sqlite' | 'postgresql'): string[] {
  return readdirSync(folderOf(database), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/**
 * Decides which migrations a database still lacks.
 *
 * @param applied rows that were not rolled back
 * @throws {StartupError} when a migration failed before, was changed since, or is unknown to this version
 */
export function pendingMigrations(migrations: readonly Migration[], applied: readonly AppliedMigration[]): Migration[] {
  const byName = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, checksum, finished } of applied) {
    const known = byName.get(name);
    if (!finished)
      throw new StartupError(
        `The database migration ${name} failed earlier: repair it with "prisma migrate resolve", or restore a backup`,
      );
    if (!known)
      throw new StartupError(
        `The database was migrated by a newer version of Portcullis (${name}): start that version`,
      );
    if (known.checksum !== checksum)
      throw new StartupError(
        `The database migration ${name} was changed after it was applied: restore its migration.sql`,
      );
  }
  const names = new Set(applied.map(({ name }) => name));
  return migrations.filter(({ name }) => !names.has(name));
}

/** The start's failure for a migration that did not go through. Nothing of it remains in the database. */
export function migrationFailed(name: string, cause: unknown): StartupError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StartupError(`The database migration ${name} failed and was rolled back: ${reason}`, { cause });
}
