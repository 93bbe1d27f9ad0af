import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StartupError } from '@portcullis/platform';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { type Database, openDatabase } from '../src/database.ts';
import { pendingMigrations, readMigrations } from '../src/migration-files.ts';
import { atOnce } from './support/open-test-database.ts';
import { schemaDifference } from './support/schema-difference.ts';

const kind = globalThis.portcullisTestDatabase ?? 'sqlite';
let empty: TestDatabase;
beforeEach(async () => {
  empty = await createTestDatabase();
});
afterEach(() => empty.drop());

async function withDatabase<T>(act: (db: Database) => Promise<T>): Promise<T> {
  const db = await openDatabase({ url: empty.url });
  try {
    return await act(db);
  } finally {
    await db.close();
  }
}

test('the migrations make exactly the tables of the model', async () => {
  await withDatabase((db) => db.ready());
  expect(await schemaDifference(kind, empty.url)).toBe('');
});

test('a table that differs from the model is noticed', async () => {
  await withDatabase((db) => db.prisma.$executeRawUnsafe('DROP TABLE "Consent"'));
  expect(await schemaDifference(kind, empty.url)).toContain('CREATE TABLE "Consent"');
});

test('applied migrations are recorded as the CLI of Prisma records them', async () => {
  const rows = await withDatabase((db) =>
    db.prisma.$queryRawUnsafe<
      { migration_name: string; checksum: string; applied_steps_count: unknown; finished_at: unknown }[]
    >('SELECT * FROM "_prisma_migrations" ORDER BY migration_name'),
  );
  expect(rows.map(({ migration_name, checksum }) => ({ migration_name, checksum }))).toStrictEqual(
    readMigrations(kind).map(({ name, sql }) => ({
      migration_name: name,
      checksum: createHash('sha256').update(sql).digest('hex'),
    })),
  );
  for (const row of rows) expect([Number(row.applied_steps_count), row.finished_at === null]).toStrictEqual([1, false]);
});

test('eight first starts at once all succeed and migrate once', async () => {
  for (let round = 0; round < rounds(20); round += 1) {
    const fresh = await createTestDatabase();
    const results = await atOnce(8, () => openDatabase({ url: fresh.url }));
    const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(results.filter(({ status }) => status === 'rejected')).toStrictEqual([]);
    expect(await opened[0]?.prisma.$queryRawUnsafe('SELECT 1 FROM "_prisma_migrations"')).toHaveLength(
      readMigrations(kind).length,
    );
    for (const db of opened) await db.close();
    await fresh.drop();
  }
});

test('the signing key of a server that had one key for ever goes on signing', async () => {
  const time = kind === 'sqlite' ? 'DATETIME' : 'TIMESTAMP(3)';
  const made = '2026-11-20 10:00:00';
  await withDatabase(async ({ prisma }) => {
    await prisma.$executeRawUnsafe('DROP TABLE "SigningKey"');
    await prisma.$executeRawUnsafe(
      `CREATE TABLE "SigningKey" ("id" TEXT NOT NULL PRIMARY KEY, "alg" TEXT NOT NULL, "sealedKey" TEXT NOT NULL,
        "initial" BOOLEAN, "createdAt" ${time} NOT NULL, "activatedAt" ${time}, "retiredAt" ${time})`,
    );
    await prisma.$executeRawUnsafe('CREATE UNIQUE INDEX "SigningKey_initial_key" ON "SigningKey"("initial")');
    await prisma.$executeRawUnsafe(
      `INSERT INTO "SigningKey" VALUES ('first', 'ES256', 'sealed', true, '${made}', '${made}', NULL)`,
    );
    await prisma.$executeRawUnsafe(
      `DELETE FROM "_prisma_migrations" WHERE migration_name LIKE '%_signing_key_rotation'`,
    );
  });
  expect(await withDatabase(({ prisma }) => prisma.signingKey.findMany())).toEqual([
    {
      ...{ id: 'first', alg: 'ES256', sealedKey: 'sealed', sequence: 1, overlapSeconds: 7200, retiredAt: null },
      ...{ createdAt: new Date('2026-11-20T10:00:00Z'), activatesAt: new Date('2026-11-20T10:00:00Z') },
    },
  ]);
  expect(await schemaDifference(kind, empty.url)).toBe('');
});

describe('a start is refused', () => {
  async function refusedAfter(change: string): Promise<string> {
    await withDatabase((db) => db.prisma.$executeRawUnsafe(change));
    const error = await openDatabase({ url: empty.url }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(StartupError);
    return String(error);
  }

  test('when an applied migration was changed', async () => {
    expect(await refusedAfter(`UPDATE "_prisma_migrations" SET checksum = 'another'`)).toContain(
      'was changed after it was applied',
    );
  });

  test('when a migration failed before', async () => {
    expect(await refusedAfter('UPDATE "_prisma_migrations" SET finished_at = NULL')).toContain('failed earlier');
  });

  test('when a newer version migrated the database', async () => {
    expect(await refusedAfter(`UPDATE "_prisma_migrations" SET migration_name = '29990101000000_later'`)).toContain(
      'newer version',
    );
  });

  test('when a migration cannot be applied, of which nothing remains', async () => {
    const drop = kind === 'sqlite' ? 'DROP TABLE "AuditEvent"' : 'DROP TABLE "AuditEvent" CASCADE';
    await withDatabase(async (db) => {
      await db.prisma.$executeRawUnsafe(drop);
      await db.prisma.$executeRawUnsafe('DELETE FROM "_prisma_migrations"');
    });
    // All other tables are there: the migration fails at its first one, and AuditEvent, its last, is not made.
    await expect(openDatabase({ url: empty.url })).rejects.toThrow(/migration \S+_init failed and was rolled back/);
    expect(await schemaDifference(kind, empty.url)).toContain('CREATE TABLE "AuditEvent"');
  });
});

test('the migrations without a record are those that are applied', () => {
  const migrations = readMigrations(kind);
  expect(pendingMigrations(migrations, [])).toStrictEqual(migrations);
  expect(
    pendingMigrations(
      migrations,
      migrations.map(({ name, checksum }) => ({ name, checksum, finished: true })),
    ),
  ).toStrictEqual([]);
});
