import type { Principal } from './principal.ts';

/** Says that the access tokens of a grant have ended: all of them, or those issued until a moment (in seconds). */
export type GrantRevocation = Readonly<{ gid: string; issuedUntil: number }>;

/** The grants whose tokens are refused, for as long as a token can live. */
export type RevokedGrants = {
  add(revocations: readonly GrantRevocation[], now: Date): void;
  /** Whether the token of this principal has ended. */
  covers(principal: Principal): boolean;
  /** Lets go of what no living token can belong to. */
  prune(now: Date): void;
  readonly size: number;
};

/** No access token lives longer than an hour; the rest is for clocks that differ. */
const KEPT_MS = 70 * 60 * 1000;

/**
 * Keeps at most `limit` grants. Should there be more, all tokens that were issued until then are refused instead, of
 * whatever grant: their clients get new ones with their refresh tokens, and no ended token is ever taken.
 */
export function createRevokedGrants(limit = 100_000): RevokedGrants {
  const grants = new Map<string, { issuedUntil: number; keptUntilMs: number }>();
  let allIssuedUntil = Number.NEGATIVE_INFINITY;

  return {
    add(revocations, now) {
      const keptUntilMs = now.getTime() + KEPT_MS;
      for (const { gid, issuedUntil } of revocations) {
        const until = Math.max(issuedUntil, grants.get(gid)?.issuedUntil ?? Number.NEGATIVE_INFINITY);
        // Taken out first, so that the map stays in the order in which its entries are let go.
        grants.delete(gid);
        grants.set(gid, { issuedUntil: until, keptUntilMs });
      }
      if (grants.size <= limit) return;
      allIssuedUntil = Math.ceil(now.getTime() / 1000);
      grants.clear();
    },
    covers({ grantId = '', issuedAt }) {
      const seconds = issuedAt.getTime() / 1000;
      return seconds <= Math.max(allIssuedUntil, grants.get(grantId)?.issuedUntil ?? Number.NEGATIVE_INFINITY);
    },
    prune(now) {
      for (const [gid, { keptUntilMs }] of grants) {
        if (keptUntilMs > now.getTime()) return;
        grants.delete(gid);
      }
    },
    get size() {
      return grants.size;
    },
  };
}
