import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import pg from 'pg';
import { createAuditLog } from '../../src/audit-log.ts';
import { type Database, openDatabase } from '../../src/database.ts';

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

test('the serving role reads and writes rows, adds to the audit trail, and can do no more', async () => {
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
