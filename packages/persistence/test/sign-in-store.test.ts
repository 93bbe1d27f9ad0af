import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createSignInStore } from '../src/sign-in-store.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const START = Date.UTC(2026, 10, 26, 12);
const at = (seconds: number) => new Date(START + seconds * 1000);

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  for (const id of ['mine', 'theirs']) {
    const moments = { createdAt: at(0), updatedAt: at(0) };
    await database.db.prisma.user.create({ data: { id, email: `${id}@example.com`, ...moments } });
  }
});
afterAll(() => database.drop());

const store = () => createSignInStore(database.db);

async function signIn(id: string): Promise<{ id: string; userId: string }> {
  await store().begin({
    ...{ id, userId: 'mine', accessEpoch: 0, signedInAt: at(0), browser: 'Firefox on Linux', address: '192.0.2.1' },
    ...{ now: at(0), expiresAt: at(3600) },
  });
  return { id, userId: 'mine' };
}

describe('SP-12: a sign-in is open', () => {
  test('until it expires', async () => {
    const one = await signIn('expiring');
    expect(await store().findOpen({ ...one, now: at(3599.999) })).toMatchObject({ lastSeenAt: at(0) });
    expect(await store().findOpen({ ...one, now: at(3600) })).toBeUndefined();
  });

  test('until it is ended', async () => {
    const one = await signIn('ended');
    expect(await store().end({ ...one, now: at(10) })).toBe(true);
    expect(await store().findOpen({ ...one, now: at(10) })).toBeUndefined();
  });

  test('for its own user', async () => {
    const one = await signIn('owned');
    expect(await store().findOpen({ ...one, userId: 'theirs', now: at(1) })).toBeUndefined();
    expect(await store().isOfPresentEpoch({ ...one, userId: 'theirs' })).toBe(false);
    expect(await store().isOfPresentEpoch(one)).toBe(true);
  });

  test('while its user is not disabled', async () => {
    const one = await signIn('disabled');
    const setDisabled = (disabledAt: Date | null) =>
      database.db.prisma.user.update({ where: { id: 'mine' }, data: { disabledAt } });
    await setDisabled(at(1));
    expect(await store().findOpen({ ...one, now: at(1) })).toBeUndefined();
    expect(await store().isOfPresentEpoch(one)).toBe(false);
    await setDisabled(null);
    expect(await store().findOpen({ ...one, now: at(1) })).toBeDefined();
  });
});

test.each([
  ['as the row says', () => ({})],
  ['as it was read', (lastSeenAt: Date) => ({ lastSeenAt })],
])('that a sign-in was used is noted once a minute, %s', async (what, known) => {
  const one = await signIn(`seen ${what}`);
  let last = at(0);
  for (const [seconds, expected] of [
    [59.999, 0],
    [60, 60],
    [119.999, 60],
    [120, 120],
  ] as const) {
    const address = `192.0.2.${Math.floor(seconds)}`;
    await store().noteSeen({ id: one.id, address, now: at(seconds), expiresAt: at(seconds + 3600), ...known(last) });
    const row = await database.db.prisma.signIn.findUniqueOrThrow({ where: { id: one.id } });
    last = row.lastSeenAt;
    expect([seconds, last]).toEqual([seconds, at(expected)]);
    if (seconds === expected) expect(row).toMatchObject({ address, expiresAt: at(seconds + 3600) });
  }
});
