import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { makeDatabaseFolder } from './database-folder.ts';

export type DatabaseKind = 'sqlite' | 'postgresql';

declare global {
  /** The database that the running Jest project tests with; unset outside such a project. */
  var portcullisTestDatabase: DatabaseKind | undefined;
}

/** An empty database of the test's own. */
export type TestDatabase = {
  /** `file:/…/test.sqlite` in a folder of its own ({@link makeDatabaseFolder}), or a `postgresql://` URL. */
  readonly url: string;
  /** Removes the database, even where connections to it are still open. */
  drop(): Promise<void>;
};

/**
 * Makes an empty database: of the kind that the Jest project asks for, or SQLite.
 *
 * @throws {Error} for PostgreSQL, when no throwaway server was started (`PORTCULLIS_TEST_POSTGRESQL_URL` is unset)
 */
export async function createTestDatabase(
  kind: DatabaseKind = globalThis.portcullisTestDatabase ?? 'sqlite',
): Promise<TestDatabase> {
  return kind === 'sqlite' ? createSqlite() : createPostgresql();
}

function createSqlite(): TestDatabase {
  const folder = makeDatabaseFolder('portcullis-sqlite-');
  return {
    url: `file:${join(folder, 'test.sqlite')}`,
    drop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function createPostgresql(): Promise<TestDatabase> {
  const clusterUrl = process.env.PORTCULLIS_TEST_POSTGRESQL_URL;
  if (!clusterUrl)
    throw new Error(
      'PORTCULLIS_TEST_POSTGRESQL_URL is not set: run this test through Jest, in a "(postgresql)" project',
    );
  const name = `test_${randomBytes(8).toString('hex')}`;
  await execute(clusterUrl, `CREATE DATABASE "${name}"`);
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => execute(clusterUrl, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`) };
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
