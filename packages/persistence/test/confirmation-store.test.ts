import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { createConfirmationStore } from '../src/index.ts';
import { atOnce, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-26T09:00:00Z');
const expiresAt = new Date('2026-11-26T09:10:00Z');
const question = {
  ...{ userId: 'ada', clientId: 'app', grantId: 'grant', resource: 'https://desk.example/mcp', tool: 'export' },
  ...{ nonce: 'nonce', sealedCall: 'sealed', now, expiresAt },
};

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.drop());

test('SP-29 of eight at once over two connections one asks, one decides and one uses the approval', async () => {
  const other = await database.another();
  const stores = [createConfirmationStore(database.db), createConfirmationStore(other)] as const;
  const eight = async (act: (store: (typeof stores)[number], index: number) => Promise<boolean>) => {
    const results = await atOnce(8, (index) => act(stores[index % 2 === 0 ? 0 : 1], index));
    return results.map((result) => result.status === 'fulfilled' && result.value).filter(Boolean).length;
  };
  await warmUp(database.db, other);
  for (let round = 0; round < rounds(50); round += 1) {
    const callHash = `call ${round}`;
    const asked = await eight((store, index) => store.open({ ...question, callHash, handle: `${round} ${index}` }));
    const id = (await stores[0].findByCall({ callHash, now }))?.id ?? '';
    expect(await stores[0].use({ callHash, now })).toBe(false);
    const decided = await eight((store) => store.decide({ id, userId: 'ada', approve: true, now, expiresAt }));
    expect([asked, decided, await eight((store) => store.use({ callHash, now }))]).toEqual([1, 1, 1]);
  }
});

test('SP-29 nobody decides for somebody else, too late, or twice', async () => {
  const store = createConfirmationStore(database.db);
  await store.open({ ...question, callHash: 'call', handle: 'handle' });
  const id = (await store.find({ handle: 'handle', now }))?.id ?? '';
  const decide = (o: { userId?: string; approve?: boolean; at?: Date }) =>
    store.decide({ id, userId: 'ada', approve: true, expiresAt, ...o, now: o.at ?? now });
  expect([await decide({ userId: 'bob' }), await decide({ at: expiresAt })]).toEqual([false, false]);
  expect([await decide({ approve: false }), await decide({})]).toEqual([true, false]);
  expect(await store.use({ callHash: 'call', now })).toBe(false);
  expect(await store.findByCall({ callHash: 'call', now })).toMatchObject({ state: 'denied', sealedCall: undefined });
});
