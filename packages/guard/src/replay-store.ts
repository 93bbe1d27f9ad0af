/** A proof that is about to be taken. */
export type ProofUse = Readonly<{
  /** A hash of the proof's key and `jti`: 43 characters. */
  identifier: string;
  /** Until when the proof would be taken again, if its use were forgotten. */
  expiresAt: Date;
  now: Date;
}>;

/**
 * Remembers which DPoP proofs were used. `claim` must be atomic: of several simultaneous calls with one identifier
 * exactly one gets `first`. `full` makes the guard answer 503.
 *
 * The guard's own memory serves one process. Where several serve one resource, let them share a store, for example
 * `SET identifier 1 NX PXAT expiresAt` of Redis.
 *
 * @see RFC 9449 section 11.1
 */
export type ReplayStore = { claim(use: ProofUse): ReplayAnswer | Promise<ReplayAnswer> };

type ReplayAnswer = 'first' | 'replayed' | 'full';

const SWEEP_INTERVAL_MS = 5000;

/**
 * Remembers used proofs in this process, at most `capacity` of them (default 100,000, about 20 MB). Nothing is ever
 * forgotten early: whoever could push an entry out could replay a proof.
 */
export function createReplayMemory(capacity = 100_000): ReplayStore {
  const expiries = new Map<string, number>();
  let sweptAt = 0;

  function sweep(nowMs: number): void {
    // A clock that moved backwards sweeps too, which does no harm.
    if (Math.abs(nowMs - sweptAt) < SWEEP_INTERVAL_MS) return;
    sweptAt = nowMs;
    for (const [identifier, expiresAtMs] of expiries) if (expiresAtMs < nowMs) expiries.delete(identifier);
  }

  return {
    claim({ identifier, expiresAt, now }) {
      sweep(now.getTime());
      if (expiries.has(identifier)) return 'replayed';
      if (expiries.size >= capacity) return 'full';
      expiries.set(identifier, expiresAt.getTime());
      return 'first';
    },
  };
}
