import { expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import { emptyDatabase } from '../support/databases.ts';
import { silentLogger } from '../support/silent-logger.ts';

test('eight replicas that start at once on an empty database all start, and fill it once', async () => {
  const database = await emptyDatabase();
  const deps = { logger: silentLogger, now: () => new Date() };
  const starts = await Promise.allSettled(Array.from({ length: 8 }, () => openStore(database, deps)));
  const stores = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const [first] = stores;
  const messages = await first?.seenBy({ subject: 'user-1', seesAll: false }).messages(1001, 100);
  await Promise.all(stores.map((store) => store.close()));
  await database.drop();
  expect(starts.map(({ status }) => status)).toEqual(Array(8).fill('fulfilled'));
  expect(messages).toHaveLength(3);
});
