import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
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

const everything = (store: DeskStore) => store.search({ limit: 1000 });

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
    expect(await store.messages(1001, 100)).toHaveLength(3);
    // Replicas share a PostgreSQL database; a data folder belongs to one process, and others are told so.
    if (globalThis.portcullisTestDatabase === 'postgresql') expect(refusals).toEqual([]);
    for (const refusal of refusals) expect(refusal).toContain('is in use by another process');
  });

  test('a later start adds nothing and keeps what was written', async () => {
    const first = await start();
    const before = await everything(first);
    await first.reply({ ticketId: 1002, author: 'user-1', body: 'On it.', status: 'pending', now });
    await open.pop()?.close();
    const second = await start();
    expect((await everything(second)).length).toBe(before.length);
    expect((await second.messages(1002, 100)).at(-1)).toMatchObject({
      author: 'user-1',
      body: 'On it.',
      authorKind: 'agent',
    });
  });
});

describe('searching', () => {
  test('finds words in subjects and messages, in any case', async () => {
    const store = await start();
    const inSubject = await store.search({ text: 'LAMP CATALOGUE', limit: 10 });
    expect(inSubject.map(({ id }) => id)).toEqual([1001]);
    const inMessage = await store.search({ text: 'test test BANANA', limit: 10 });
    expect(inMessage.map(({ id }) => id)).toEqual([1015]);
  });

  test.each(['%', '_', '\\', "'", '"; drop table ticket; --', '100_percent'])(
    'SP-33 %s is text and no pattern',
    async (text) => {
      const store = await start();
      const all = await everything(store);
      const found = await store.search({ text, limit: 1000 });
      expect(found.length).toBeLessThan(all.length);
      expect(await everything(store)).toEqual(all);
    },
  );

  test('pages meet every ticket once, the newest first', async () => {
    const store = await start();
    const all = (await everything(store)).map(({ id }) => id);
    const seen: number[] = [];
    for (let beforeId: number | undefined; ; beforeId = seen.at(-1)) {
      const page = await store.search({ limit: 7, beforeId });
      if (page.length === 0) break;
      seen.push(...page.map(({ id }) => id));
    }
    expect(seen).toEqual(all);
    expect(seen).toEqual([...seen].sort((a, b) => b - a));
  });

  test('filters by status and priority', async () => {
    const store = await start();
    const found = await store.search({ status: 'open', priority: 'urgent', limit: 100 });
    expect(found.length).toBeGreaterThan(0);
    for (const ticket of found) expect(ticket).toMatchObject({ status: 'open', priority: 'urgent' });
  });
});

describe('replying', () => {
  test('changes the ticket and adds the message together', async () => {
    const store = await start();
    const message = await store.reply({ ticketId: 1003, author: 'user-1', body: 'Done.', status: 'solved', now });
    expect(message).toMatchObject({ author: 'user-1', body: 'Done.', authorKind: 'agent', createdAt: now });
    expect(await store.ticket(1003)).toMatchObject({ status: 'solved', updatedAt: now });
  });

  test('to no ticket writes nothing', async () => {
    const store = await start();
    expect(await store.reply({ ticketId: 999, author: 'user-1', body: 'Hello?', status: 'open', now })).toBeUndefined();
    expect(await store.messages(999, 10)).toEqual([]);
  });

  test('eight at once, with readers between them, all arrive', async () => {
    const store = await start();
    const writers = Array.from({ length: 8 }, (_, index) =>
      store.reply({ ticketId: 1004, author: `user-${index}`, body: `Reply ${index}`, status: 'open', now }),
    );
    const readers = Array.from({ length: 8 }, () => store.ticket(1004));
    await Promise.all([...writers, ...readers]);
    const authors = (await store.messages(1004, 100)).map(({ author }) => author);
    for (let index = 0; index < 8; index++)
      expect(authors.filter((author) => author === `user-${index}`)).toHaveLength(1);
  });
});

test('only the latest messages are given, the oldest of them first', async () => {
  const store = await start();
  for (let index = 0; index < 6; index++) {
    await store.reply({ ticketId: 1005, author: 'user-1', body: `Reply ${index}`, status: 'open', now });
  }
  expect((await store.messages(1005, 3)).map(({ body }) => body)).toEqual(['Reply 3', 'Reply 4', 'Reply 5']);
});
