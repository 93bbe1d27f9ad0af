import { expect, test } from '@jest/globals';
import { assertReady } from '../src/http/readiness.ts';

const now = new Date('2026-11-26T12:00:00Z');
const signing = () => ({ kid: 'one', alg: 'ES256' }) as const;
const ready = {
  database: { isMigrated: async () => true },
  keyRing: { current: () => ({ keys: [{}] as const, signing }) },
  clock: () => now,
  timeoutMs: 20,
};
const noKey = () => {
  throw new TypeError('there is no signing key');
};

test('it is ready with a database that is migrated and a key that signs', async () => {
  await expect(assertReady(ready)).resolves.toBeUndefined();
});

test.each([
  ['a database that is away', { database: { isMigrated: () => Promise.reject(new Error('ECONNREFUSED')) } }],
  ['a database that hangs', { database: { isMigrated: () => new Promise<boolean>(() => undefined) } }],
  ['a database that lacks a migration', { database: { isMigrated: async () => false } }],
  ['no key in the key set', { keyRing: { current: noKey } }],
  ['no key that signs now', { keyRing: { current: () => ({ keys: [{}] as const, signing: noKey }) } }],
])('it is not ready with %s', async (_what, change) => {
  await expect(assertReady({ ...ready, ...change })).rejects.toThrow();
});
