import type { JWTPayload } from 'jose';
import { sha256 } from './digest.ts';
import type { KeySet } from './issuer-keys.ts';

/** The claims of a token, and the key set with a key of which they were found to be signed. */
type Verified = Readonly<{ keys: KeySet; claims: JWTPayload }>;

/**
 * Remembers whose signature was good, so that a token which comes again costs a hash and a look-up. Nothing else about a
 * token is remembered: its claims are judged anew each time, and what failed is not kept at all.
 *
 * Each guard has its own, so an entry holds for the issuer, the resource and the algorithms that it was made with. An
 * entry is worth nothing once the issuer's keys were fetched again, whether or not its key is still among them.
 */
export type VerifiedTokens = {
  recall(token: string): Promise<Verified | undefined>;
  keep(token: string, verified: Verified): Promise<void>;
  forget(token: string): Promise<void>;
};

/**
 * Keeps at most `capacity` entries by the SHA-256 of the token, never the token itself. Where there is no more room, the
 * one that was not asked for the longest goes.
 */
export function createVerifiedTokens(capacity: number): VerifiedTokens {
  const entries = new Map<string, Verified>();

  /** Puts an entry behind all others. */
  function put(digest: string, verified: Verified): void {
    entries.delete(digest);
    entries.set(digest, verified);
    const oldest = entries.keys().next();
    if (entries.size > capacity && !oldest.done) entries.delete(oldest.value);
  }

  return {
    async recall(token) {
      const digest = await sha256(token);
      const verified = entries.get(digest);
      if (verified !== undefined) put(digest, verified);
      return verified;
    },
    async keep(token, verified) {
      put(await sha256(token), verified);
    },
    async forget(token) {
      entries.delete(await sha256(token));
    },
  };
}
