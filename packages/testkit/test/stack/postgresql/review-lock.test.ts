import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { pollUntil } from '../../../src/index.ts';
import { adminTokens } from '../support/administration.ts';
import { targetOf } from '../support/authorization.ts';
import { type InProcess, startInProcess } from '../support/in-process.ts';
import { OWNER_ENV } from '../support/owner.ts';
import { createReviewDesk, type ReviewDesk } from '../support/review-desk.ts';

const EVIL = 'https://evil.example/callback';

let database: TestDatabase;
let server: InProcess;
let review: ReviewDesk;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({
    databaseUrl: database.url,
    env: OWNER_ENV,
    configuration: { registration: { policy: 'review' } },
  });
  const target = await targetOf(server);
  review = createReviewDesk({ target, token: (await adminTokens(target)).access });
});

afterAll(async () => {
  await server?.close();
  await database?.drop();
});

async function waitsForLock({ prisma }: Database): Promise<true | undefined> {
  const waiting = await prisma.$queryRawUnsafe<unknown[]>(
    'SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = $1 AND NOT l.granted',
    'RateLimit',
  );
  return waiting.length > 0 || undefined;
}

// SQLite has one connection: no approval comes between the steps of a change that is held up there.
test('an approval that comes while the change is under way lets nothing in that was not seen', async () => {
  const client = await review.waitingClient();
  const { version } = await review.look(client.id);
  const other = await openDatabase({ url: database.url });
  try {
    const changed = await other.prisma.$transaction(async (holding) => {
      // The change has read the client, and waits for its place in the quota.
      await holding.$executeRawUnsafe('LOCK TABLE "RateLimit" IN EXCLUSIVE MODE');
      const status = client.change(EVIL);
      await pollUntil(() => waitsForLock(other), { what: 'a change that waits' });
      expect(await review.decide(client.id, 'approve', version)).toBe(200);
      return { status };
    });
    expect(await changed.status).toBe(200);
  } finally {
    await other.close();
  }
  expect(await review.look(client.id)).toMatchObject({ state: 'pending', redirectUris: [EVIL] });
});
