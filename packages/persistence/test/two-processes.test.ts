import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { hashToken } from '../src/token-hash.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('two processes that write one database at once lose nothing, and consume each code once between them', async () => {
  const count = rounds(500);
  const { prisma } = database.db;
  const now = new Date();
  await prisma.authorizationCode.createMany({
    data: Array.from({ length: count }, (_, index) => ({
      id: hashToken(`code-${index}`),
      grantId: 'grant-1',
      clientId: 'client-1',
      userId: 'user-1',
      detail: '{}',
      issuedAt: now,
      expiresAt: now,
    })),
  });
  const script = fileURLToPath(new URL('./support/two-processes.ts', import.meta.url));
  const run = (name: string) =>
    promisify(execFile)(process.execPath, ['--no-warnings', script, database.url, name, String(count)]);
  const outputs = await Promise.all([run('first'), run('second')]);
  expect(outputs.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBe(count);
  expect(await prisma.oneTimeLink.count()).toBe(2 * count);
});
