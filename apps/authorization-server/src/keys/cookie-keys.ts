import { deriveKey } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import Keygrip from 'keygrip';

/** Signs cookies, and verifies what was signed before. */
export type CookieKeys = Pick<Keygrip, 'sign' | 'verify' | 'index'>;

const PERIOD_MS = 30 * 24 * 3600 * 1000;

/**
 * Keys for cookies that change every 30 days by themselves. They follow from a master key and the period alone, so that
 * all replicas agree; those of the period before are still taken, and a browser that shows one gets a new signature.
 *
 * @param masterKeys the current one first; the others verify only
 */
export function createCookieKeys(masterKeys: readonly [Buffer, ...Buffer[]], clock: Clock): CookieKeys {
  let made: { period: number; keys: Keygrip } | undefined;
  const keys = () => {
    const period = Math.floor(clock().getTime() / PERIOD_MS);
    if (made?.period !== period) made = { period, keys: new Keygrip(keysOf(masterKeys, period), 'sha256') };
    return made.keys;
  };
  return {
    sign: (data) => keys().sign(data),
    verify: (data, digest) => keys().verify(data, digest),
    index: (data, digest) => keys().index(data, digest),
  };
}

function keysOf(masterKeys: readonly Buffer[], period: number): string[] {
  return masterKeys.flatMap((master) =>
    // The next one too: another replica's clock may be ahead.
    [period, period - 1, period + 1].map((each) => deriveKey(master, `cookies ${each}`).toString('base64url')),
  );
}
