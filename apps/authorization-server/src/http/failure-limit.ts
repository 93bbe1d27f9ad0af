import { type Counter, type Database, findCounter } from '@portcullis/persistence';
import { RateLimiterPrisma, RateLimiterRes } from 'rate-limiter-flexible';

/** Whether one more try is allowed, and how long to wait otherwise; `first` for the first that is refused in a window. */
export type Allowance = { allowed: true } | { allowed: false; retryAfterSeconds: number; first: boolean };

/** Counts failures under a key, over all replicas, in a window that starts with the first one. */
export type FailureLimit = {
  /** Takes one try before its outcome is known, so that simultaneous tries are all counted. */
  take(key: string): Promise<Allowance>;
  /** Tells whether a try would be allowed, without taking one. */
  check(key: string): Promise<Allowance>;
  /** Under which key the database has what is counted under another. */
  storedKey(key: string): string;
  /** The same as {@link check}, by a counter that was read just now. */
  judge(counter: Counter | undefined): Allowance;
  /** Gives a try back that turned out to be no failure. */
  giveBack(key: string): Promise<void>;
};

/** How many failures, in how long. */
export type FailureLimitOptions = { name: string; failures: number; windowSeconds: number };

/** Makes a limit over the database. */
export function createFailureLimit(
  database: Database,
  { name, failures, windowSeconds }: FailureLimitOptions,
): FailureLimit {
  const limiter = new RateLimiterPrisma({
    storeClient: database.prisma,
    tableName: 'rateLimit',
    keyPrefix: name,
    points: failures,
    duration: windowSeconds,
    clearExpiredByTimeout: false,
  });
  const refusal = (o: { waitMs: number; taken: number }): Allowance => ({
    allowed: false,
    retryAfterSeconds: Math.max(1, Math.ceil(o.waitMs / 1000)),
    first: o.taken === failures + 1,
  });
  const storedKey = (key: string) => `${name}:${key}`;
  const judge = (counter: Counter | undefined): Allowance => {
    // Counters end by the system's clock: the library that counts knows no other.
    const leftMs = counter?.expire ? counter.expire.getTime() - Date.now() : Number.POSITIVE_INFINITY;
    if (!counter || counter.points < failures || leftMs <= 0) return { allowed: true };
    return refusal({ waitMs: counter.expire ? leftMs : 0, taken: counter.points });
  };
  return {
    async take(key) {
      try {
        await limiter.consume(key);
        return { allowed: true };
      } catch (cause) {
        if (cause instanceof RateLimiterRes)
          return refusal({ waitMs: cause.msBeforeNext, taken: cause.consumedPoints });
        throw cause;
      }
    },
    check: async (key) => judge(await findCounter(database, { key: storedKey(key), now: new Date() })),
    storedKey,
    judge,
    async giveBack(key) {
      await limiter.reward(key);
    },
  };
}

/** The same limit; what it turns away is counted. */
export function counted(limit: FailureLimit, onHit: () => void): FailureLimit {
  const told = (allowance: Allowance) => {
    if (!allowance.allowed) onHit();
    return allowance;
  };
  return {
    ...limit,
    take: async (key) => told(await limit.take(key)),
    check: async (key) => told(await limit.check(key)),
    judge: (counter) => told(limit.judge(counter)),
  };
}

/** The part of an address that one subscriber holds: an IPv4 address, or the first 64 bits of an IPv6 one. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1]) return mapped[1];
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail?.split(':').filter(Boolean) ?? [];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4).join(':');
}
