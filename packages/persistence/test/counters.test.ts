import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { countOne, findCounter, uncountOne } from '../src/counters.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const START = Date.UTC(2026, 10, 26, 12);
const at = (seconds: number) => new Date(START + seconds * 1000);

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

const count = (key: string, seconds: number) => countOne(database.db, { key, windowSeconds: 60, now: at(seconds) });

test('a window begins with the first that is counted, and the others do not prolong it', async () => {
  expect(await count('window', 0)).toEqual({ points: 1, expire: at(60) });
  expect(await count('window', 59)).toEqual({ points: 2, expire: at(60) });
  expect(await findCounter(database.db, { key: 'window', now: at(59) })).toEqual({ points: 2, expire: at(60) });
});

test('what has ended begins anew at the moment that it ends', async () => {
  await count('anew', 0);
  await count('anew', 1);
  expect(await findCounter(database.db, { key: 'anew', now: at(60) })).toBeUndefined();
  expect(await count('anew', 60)).toEqual({ points: 1, expire: at(120) });
});

test('of eight that are counted at once, each is counted, and sees another number', async () => {
  for (const seconds of [0, 60]) {
    const counters = await Promise.all(Array.from({ length: 8 }, () => count('at once', seconds)));
    expect(counters.map(({ points }) => points).toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  }
});

test('one that is taken back counts no more, unless its window is over', async () => {
  await count('back', 0);
  await count('back', 0);
  await uncountOne(database.db, { key: 'back', now: at(1) });
  expect(await findCounter(database.db, { key: 'back', now: at(1) })).toEqual({ points: 1, expire: at(60) });
  await uncountOne(database.db, { key: 'back', now: at(60) });
  expect(await count('back', 61)).toEqual({ points: 1, expire: at(121) });
  await uncountOne(database.db, { key: 'nothing', now: at(1) });
  expect(await findCounter(database.db, { key: 'nothing', now: at(1) })).toBeUndefined();
});
