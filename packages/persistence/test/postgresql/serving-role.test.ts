import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import pg from 'pg';
import { createAuditChain } from '../../src/audit-chain.ts';
import { createAuditLog } from '../../src/audit-log.ts';
import { type Database, openDatabase } from '../../src/database.ts';

/** What a serving role that has been taken over may try; a record that has no seal yet may get one, once. */
const ATTACKS_ON_THE_TRAIL = [
  `UPDATE "AuditEvent" SET "subject" = 'nobody'`,
  `UPDATE "AuditEvent" SET "seq" = 7, "subject" = 'nobody'`,
  'DELETE FROM "AuditEvent"',
  'TRUNCATE "AuditEvent"',
  'ALTER TABLE "AuditEvent" DISABLE TRIGGER ALL',
  'DROP TRIGGER "AuditEvent_sealed_once" ON "AuditEvent"',
  `CREATE OR REPLACE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
  `SET session_replication_role = 'replica'`,
  `INSERT INTO "AuditSegment" VALUES (1, 9, 'x', 'x', now())`,
  'DELETE FROM "AuditSegment"',
];

let owned: TestDatabase;
let servingUrl: string;
let role: string;
let password: string;

async function asOwner(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: owned.url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

beforeEach(async () => {
  owned = await createTestDatabase();
  role = `serving ${new URL(owned.url).pathname.slice(1)}`;
  password = 'hunter2-hunter2';
  await asOwner(`CREATE ROLE "${role}" LOGIN PASSWORD '${password}'`);
  const url = new URL(owned.url);
  url.username = encodeURIComponent(role);
  url.password = password;
  servingUrl = url.href;
});

afterEach(async () => {
  await asOwner(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`);
  await owned.drop();
});

test('the serving role cannot migrate, and the start says which variable to set', async () => {
  await expect(openDatabase({ url: servingUrl })).rejects.toThrow(/PORTCULLIS_MIGRATE_DATABASE_URL/);
});

test('SP-37: the serving role reads and writes rows, adds to the audit trail, and can do no more', async () => {
  const db: Database = await openDatabase({ url: servingUrl, migrateUrl: owned.url });
  const { prisma } = db;
  await prisma.rateLimit.create({ data: { key: 'a', points: 1 } });
  await prisma.rateLimit.deleteMany();
  const log = createAuditLog(db);
  await log.record({ time: new Date(), type: 'token.issued', outcome: 'success' });
  expect(await log.list()).toHaveLength(1);
  await expect(prisma.auditEvent.deleteMany()).rejects.toThrow();
  await expect(prisma.auditEvent.updateMany({ data: { outcome: 'denied' } })).rejects.toThrow();
  await expect(prisma.$executeRawUnsafe('DROP TABLE "AuditEvent"')).rejects.toThrow();
  for (const statement of ATTACKS_ON_THE_TRAIL) {
    await expect(prisma.$executeRawUnsafe(statement)).rejects.toThrow();
  }
  const chain = createAuditChain(db);
  expect(await chain.seal()).toBe(1);
  const onSeals = [`UPDATE "AuditEvent" SET "hash" = 'another'`, `UPDATE "AuditEvent" SET "seq" = NULL, "hash" = NULL`];
  for (const statement of [...ATTACKS_ON_THE_TRAIL, ...onSeals]) {
    await expect(prisma.$executeRawUnsafe(statement)).rejects.toThrow();
  }
  expect(await chain.list({ after: 0, limit: 10 })).toMatchObject([{ seq: 1, type: 'token.issued' }]);
  await expect(prisma.$executeRawUnsafe('DELETE FROM "_prisma_migrations"')).rejects.toThrow();
  await db.close();

  const again = await openDatabase({ url: servingUrl, migrateUrl: owned.url });
  await again.close();
  await (await openDatabase({ url: servingUrl })).close();
});

test('a database that is not there is reported without the password', async () => {
  const url = new URL(servingUrl);
  url.pathname = '/nowhere';
  await expect(openDatabase({ url: url.href })).rejects.toThrow(/there is no database of that name/);
  await expect(openDatabase({ url: url.href })).rejects.not.toThrow(new RegExp(password));
});
