import { deriveKey } from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { type KeyedDigest, keyedDigest } from './keyed-digest.ts';

/** Signs cookies, and verifies what was signed before; in the words of `keygrip`, which is what takes keys elsewhere. */
export type CookieKeys = {
  /** HMAC with SHA-256 under the present key, in base64url. */
  sign(data: string): string;
  verify(data: string, digest: string): boolean;
  /** Which key a signature was made with; 0 for the present one, -1 for none. */
  index(data: string, digest: string): number;
};

const PERIOD_MS = 30 * 24 * 3600 * 1000;

/**
 * Keys for cookies that change every 30 days by themselves. They follow from a master key and the period alone, so that
 * all replicas agree; those of the period before are still taken, and a browser that shows one gets a new signature.
 *
 * @param masterKeys the current one first; the others verify only
 */
export function createCookieKeys(masterKeys: readonly [Buffer, ...Buffer[]], clock: Clock): CookieKeys {
  let made: { period: number; keys: readonly KeyedDigest[] } | undefined;
  const keys = () => {
    const period = Math.floor(clock().getTime() / PERIOD_MS);
    if (made?.period !== period) made = { period, keys: keysOf(masterKeys, period) };
    return made.keys;
  };
  const index = (data: string, digest: string) => keys().findIndex((key) => key.matches(data, digest));
  return {
    sign: (data) => {
      const [present] = keys();
      if (!present) throw new TypeError('there is a present key');
      return present.of(data);
    },
    verify: (data, digest) => index(data, digest) >= 0,
    index,
  };
}

function keysOf(masterKeys: readonly Buffer[], period: number): KeyedDigest[] {
  return masterKeys.flatMap((master) =>
    // The next one too: another replica's clock may be ahead.
    [period, period - 1, period + 1].map((each) =>
      // The text of a key is the key: keygrip, which made the first signatures, takes texts.
      keyedDigest(Buffer.from(deriveKey(master, `cookies ${each}`).toString('base64url'))),
    ),
  );
}
