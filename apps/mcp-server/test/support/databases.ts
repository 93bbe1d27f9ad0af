import { rmSync } from 'node:fs';
import { Secret } from '@portcullis/platform';
import { createTestDatabase, makeDatabaseFolder } from '@portcullis/test-database';
import type { StoreOptions } from '../../src/store/open-store.ts';
import { createAnalyticsRole } from './analytics-role.ts';

/** A database of the test's own. */
type EmptyDatabase = StoreOptions & { analyticsDatabaseUrl: Secret | undefined; drop(): Promise<void> };

/** An empty database of the project's kind, with a data folder of its own; PostgreSQL with a role for queries, if asked. */
export async function emptyDatabase({ withAnalyticsRole = false } = {}): Promise<EmptyDatabase> {
  const dataDir = makeDatabaseFolder('portcullis-desk-');
  const database = globalThis.portcullisTestDatabase === 'postgresql' ? await createTestDatabase() : undefined;
  const role = database && withAnalyticsRole ? createAnalyticsRole(database.url) : undefined;
  return {
    dataDir,
    databaseUrl: database && new Secret(database.url),
    analyticsDatabaseUrl: role && new Secret(role.url),
    async drop() {
      await role?.drop();
      await database?.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
