import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/** Makes HMACs with SHA-256 in base64url, and compares them in constant time. */
export type KeyedDigest = {
  of(text: string): string;
  matches(text: string, digest: string): boolean;
};

/** @param secret as a key object from here on: with keys in texts or buffers Node's crypto goes a longer way each time */
export function keyedDigest(secret: Buffer): KeyedDigest {
  const key = createSecretKey(secret);
  return {
    of: (text) => digestOf(text, key),
    matches: (text, digest) => {
      const [given, expected] = [Buffer.from(digest), Buffer.from(digestOf(text, key))];
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}

function digestOf(text: string, key: KeyObject): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}
