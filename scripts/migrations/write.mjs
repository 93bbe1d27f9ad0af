// Writes the next migration of both databases: node scripts/migrations/write.mjs NAME
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openDatabase } from '@portcullis/persistence';
import { startPostgresql } from '@portcullis/test-database';
import { schemaDifference } from '../../packages/persistence/test/support/schema-difference.ts';

const name = process.argv[2];
if (!name || !/^[a-z0-9_]+$/.test(name)) {
  process.stderr.write('Usage: node scripts/migrations/write.mjs NAME (a-z, 0-9 and _), on the built packages\n');
  process.exit(2);
}

const stamp = new Date().toISOString().replaceAll(/[-:T]/g, '').slice(0, 14);
const lockFile = (kind) => `# Says to Prisma which database these are for.\nprovider = "${kind}"\n`;

async function write(kind, url) {
  await (await openDatabase({ url })).close();
  const sql = (await schemaDifference(kind, url))
    // The schema is there, and a role may own the tables without the right to make schemas.
    .replace(/-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "public";\n\n/, '');
  if (sql === '') return process.stdout.write(`${kind}: nothing to write\n`);
  const migrations = new URL(`../../prisma/${kind}/migrations/`, import.meta.url);
  const folder = new URL(`${stamp}_${name}/`, migrations);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('migration.sql', folder), `${sql.trimEnd()}\n`);
  writeFileSync(new URL('migration_lock.toml', migrations), lockFile(kind));
  process.stdout.write(`${kind}: ${folder.pathname}migration.sql\n`);
}

const folder = await mkdtemp(join(tmpdir(), 'portcullis-migration-'));
const cluster = await startPostgresql();
try {
  await write('sqlite', pathToFileURL(join(folder, 'empty.sqlite')).href);
  await write('postgresql', cluster.url);
} finally {
  await cluster.stop();
  await rm(folder, { recursive: true });
}
