import { describe, expect, test } from '@jest/globals';
import { createCookieKeys } from '../src/keys/cookie-keys.ts';

const DAY_MS = 24 * 3600 * 1000;
const PERIOD_DAYS = 30;

/** The same server at any time, in days since a period began. */
function keysAt(days: number, ...masters: Buffer[]) {
  const [first = Buffer.alloc(32, 7), ...rest] = masters;
  return createCookieKeys([first, ...rest], () => new Date((200 * PERIOD_DAYS + days) * DAY_MS));
}

describe('keys that sign cookies', () => {
  test('a signature is taken for at least one period, and no longer than two', () => {
    const signature = keysAt(1).sign('session=a');
    for (const days of [1, 29, 31, 59]) expect(keysAt(days).verify('session=a', signature)).toBe(true);
    for (const days of [61, 400]) expect(keysAt(days).verify('session=a', signature)).toBe(false);
  });

  test('a signature is what keygrip makes of the same key, so that no update signs anybody out', () => {
    expect(keysAt(1).sign('session=a')).toBe('aFqY2oTasSP8egW9SPxSAw-SvSdU6vl4dSdN44bRaPY');
  });

  test.each(['', 'short', 'ä'.repeat(43)])('what is no signature is not taken: %p', (digest) => {
    expect(keysAt(1).index('session=a', digest)).toBe(-1);
  });

  test('a signature of the period before is one to be renewed', () => {
    const signature = keysAt(1).sign('session=a');
    expect(keysAt(29).index('session=a', signature)).toBe(0);
    expect(keysAt(31).index('session=a', signature)).toBeGreaterThan(0);
    expect(keysAt(31).sign('session=a')).not.toBe(signature);
  });

  test('a replica whose clock is behind takes what one signs that is a period ahead', () => {
    expect(keysAt(29.9999).verify('session=a', keysAt(30).sign('session=a'))).toBe(true);
  });

  test('another value, another master key and SHA-1 are not taken', () => {
    const signature = keysAt(1).sign('session=a');
    expect(keysAt(1).verify('session=b', signature)).toBe(false);
    expect(keysAt(1, Buffer.alloc(32, 8)).verify('session=a', signature)).toBe(false);
    expect(Buffer.from(signature, 'base64url')).toHaveLength(32);
  });

  test('what was signed under the master key before is taken, and nothing is signed under it', () => {
    const [before, now] = [Buffer.alloc(32, 7), Buffer.alloc(32, 8)];
    const signature = keysAt(1, before).sign('session=a');
    expect(keysAt(1, now, before).index('session=a', signature)).toBeGreaterThan(0);
    expect(keysAt(1, now, before).sign('session=a')).toBe(keysAt(1, now).sign('session=a'));
  });
});
