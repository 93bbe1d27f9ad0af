import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@portcullis/platform';
import { createTestDatabase } from '@portcullis/test-database';
import type { StoreOptions } from '../../src/store/open-store.ts';

/** An empty database of the project's kind, with a data folder of its own. */
export async function emptyDatabase(): Promise<StoreOptions & { drop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'portcullis-desk-'));
  const database = globalThis.portcullisTestDatabase === 'postgresql' ? await createTestDatabase() : undefined;
  return {
    dataDir,
    databaseUrl: database && new Secret(database.url),
    async drop() {
      await database?.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
