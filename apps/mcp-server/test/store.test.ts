import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import type { DeskStore } from '../src/store/desk-store.ts';
import { openStore } from '../src/store/open-store.ts';
import { emptyDatabase } from './support/databases.ts';
import { silentLogger } from './support/silent-logger.ts';

const now = new Date('2026-03-01T12:00:00.000Z');
const deps = { logger: silentLogger, now: () => now };

let database: Awaited<ReturnType<typeof emptyDatabase>>;
let open: DeskStore[];

beforeEach(async () => {
  database = await emptyDatabase();
  open = [];
});

afterEach(async () => {
  await Promise.all(open.map((store) => store.close()));
  await database.drop();
});

async function start(): Promise<DeskStore> {
  const store = await openStore(database, deps);
  open.push(store);
  return store;
}

async function openElsewhere(): Promise<string> {
  const script = fileURLToPath(new URL('support/open-store-process.ts', import.meta.url));
  const args = [script, database.dataDir, database.databaseUrl?.reveal() ?? ''];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return stdout;
}

const as = (store: DeskStore, subject: string) => store.seenBy({ subject, seesAll: false });
const everything = (store: DeskStore) => as(store, 'user-1').search({ limit: 1000 });

describe('the first start', () => {
  test('fills the tables with a few dozen invented tickets', async () => {
    const tickets = await everything(await start());
    expect(tickets.length).toBeGreaterThanOrEqual(24);
    expect(new Set(tickets.map(({ customerId }) => customerId)).size).toBeGreaterThanOrEqual(20);
    expect(new Set(tickets.map(({ status }) => status))).toEqual(new Set(['open', 'pending', 'solved']));
  });

  test('several processes at once fill them once', async () => {
    const starts = await Promise.allSettled(Array.from({ length: 4 }, openElsewhere));
    const counts = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const refusals = starts.flatMap((start) => (start.status === 'rejected' ? [String(start.reason)] : []));
    const store = await start();
    const tickets = await everything(store);
    expect(counts.length).toBeGreaterThan(0);
    expect(new Set(counts)).toEqual(new Set([String(tickets.length)]));
    expect(await as(store, 'user-1').messages(1001, 100)).toHaveLength(3);
    // Replicas share a PostgreSQL database; a data folder belongs to one process, and others are told so.
    if (globalThis.portcullisTestDatabase === 'postgresql') expect(refusals).toEqual([]);
    for (const refusal of refusals) expect(refusal).toContain('is in use by another process');
  });

  test('a later start adds nothing and keeps what was written', async () => {
    const first = await start();
    const before = await everything(first);
    await as(first, 'user-1').reply({ ticketId: 1002, body: 'On it.', status: 'pending', now });
    await open.pop()?.close();
    const second = await start();
    expect((await everything(second)).length).toBe(before.length);
    expect((await as(second, 'user-1').messages(1002, 100)).at(-1)).toMatchObject({
      author: 'user-1',
      body: 'On it.',
      authorKind: 'agent',
    });
  });
});

describe('searching', () => {
  test('finds words in subjects and messages, in any case', async () => {
    const store = await start();
    const inSubject = await as(store, 'user-1').search({ text: 'LAMP CATALOGUE', limit: 10 });
    expect(inSubject.map(({ id }) => id)).toEqual([1001]);
    const inMessage = await as(store, 'user-1').search({ text: 'test test BANANA', limit: 10 });
    expect(inMessage.map(({ id }) => id)).toEqual([1015]);
  });

  test.each(['%', '_', '\\', "'", '"; drop table ticket; --', '100_percent'])(
    'SP-33 %s is text and no pattern',
    async (text) => {
      const store = await start();
      const all = await everything(store);
      const found = await as(store, 'user-1').search({ text, limit: 1000 });
      expect(found.length).toBeLessThan(all.length);
      expect(await everything(store)).toEqual(all);
    },
  );

  test('pages meet every ticket once, the newest first', async () => {
    const store = await start();
    const all = (await everything(store)).map(({ id }) => id);
    const seen: number[] = [];
    for (let beforeId: number | undefined; ; beforeId = seen.at(-1)) {
      const page = await as(store, 'user-1').search({ limit: 7, beforeId });
      if (page.length === 0) break;
      seen.push(...page.map(({ id }) => id));
    }
    expect(seen).toEqual(all);
    expect(seen).toEqual([...seen].sort((a, b) => b - a));
  });

  test('filters by status and priority', async () => {
    const store = await start();
    const found = await as(store, 'user-1').search({ status: 'open', priority: 'urgent', limit: 100 });
    expect(found.length).toBeGreaterThan(0);
    for (const ticket of found) expect(ticket).toMatchObject({ status: 'open', priority: 'urgent' });
  });
});

describe('replying', () => {
  test('changes the ticket and adds the message together', async () => {
    const store = await start();
    const message = await as(store, 'user-1').reply({ ticketId: 1003, body: 'Done.', status: 'solved', now });
    expect(message).toMatchObject({ author: 'user-1', body: 'Done.', authorKind: 'agent', createdAt: now });
    expect(await as(store, 'user-1').ticket(1003)).toMatchObject({ status: 'solved', updatedAt: now });
  });

  test('to no ticket writes nothing', async () => {
    const store = await start();
    expect(await as(store, 'user-1').reply({ ticketId: 999, body: 'Hello?', status: 'open', now })).toBeUndefined();
    expect(await as(store, 'user-1').messages(999, 10)).toEqual([]);
  });

  test('eight at once, with readers between them, all arrive', async () => {
    const store = await start();
    const writers = Array.from({ length: 8 }, (_, index) =>
      as(store, `user-${index}`).reply({ ticketId: 1004, body: `Reply ${index}`, status: 'open', now }),
    );
    const readers = Array.from({ length: 8 }, () => as(store, 'user-1').ticket(1004));
    await Promise.all([...writers, ...readers]);
    const authors = (await as(store, 'user-1').messages(1004, 100)).map(({ author }) => author);
    for (let index = 0; index < 8; index++)
      expect(authors.filter((author) => author === `user-${index}`)).toHaveLength(1);
  });
});

test('only the latest messages are given, the oldest of them first', async () => {
  const store = await start();
  for (let index = 0; index < 6; index++) {
    await as(store, 'user-1').reply({ ticketId: 1005, body: `Reply ${index}`, status: 'open', now });
  }
  expect((await as(store, 'user-1').messages(1005, 3)).map(({ body }) => body)).toEqual([
    'Reply 3',
    'Reply 4',
    'Reply 5',
  ]);
});

describe('SP-26 what is assigned to somebody else', () => {
  const CONFIDENTIAL = 901;

  test('is not there: neither in a search, nor by its number, nor to be answered', async () => {
    const store = await start();
    const [owner, other] = [as(store, 'invented-agent'), as(store, 'user-1')];
    expect(await owner.ticket(CONFIDENTIAL)).toMatchObject({ id: CONFIDENTIAL });
    expect((await owner.messages(CONFIDENTIAL, 10)).length).toBeGreaterThan(0);
    const before = await owner.messages(CONFIDENTIAL, 10);
    expect(await other.ticket(CONFIDENTIAL)).toBeUndefined();
    expect(await other.messages(CONFIDENTIAL, 10)).toEqual([]);
    expect(await other.search({ text: 'Confidential', limit: 100 })).toEqual([]);
    expect(await other.search({ text: 'Confidential', status: 'open', beforeId: 905, limit: 100 })).toEqual([]);
    const reply = { ticketId: CONFIDENTIAL, body: 'Mine now', status: 'solved' as const, assignToAuthor: true, now };
    expect(await other.reply(reply)).toBeUndefined();
    expect(await owner.messages(CONFIDENTIAL, 10)).toEqual(before);
    expect(await owner.ticket(CONFIDENTIAL)).toMatchObject({ status: 'open' });
  });

  test('is there for whoever sees all', async () => {
    const lead = (await start()).seenBy({ subject: 'lead-1', seesAll: true });
    expect(await lead.ticket(CONFIDENTIAL)).toMatchObject({ id: CONFIDENTIAL });
    expect((await lead.search({ text: 'Confidential', limit: 100 })).length).toBe(3);
  });

  test('eight assign one ticket to themselves at once: one gets it, the others find no such ticket', async () => {
    const store = await start();
    for (let round = 0; round < rounds(20); round++) {
      const ticketId = 1006 + round;
      const attempts = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          as(store, `user-${index}`).reply({ ticketId, body: 'I take it', status: 'open', assignToAuthor: true, now }),
        ),
      );
      const winners = attempts.flatMap((message) => (message ? [message.author] : []));
      expect(winners).toHaveLength(1);
      for (let index = 0; index < 8; index++) {
        const seen = await as(store, `user-${index}`).ticket(ticketId);
        expect(seen !== undefined).toBe(winners.includes(`user-${index}`));
      }
    }
  });
});
