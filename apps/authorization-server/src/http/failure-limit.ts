import { type Counter, countOne, type Database, findCounter, uncountOne } from '@portcullis/persistence';

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
  /** Reads what is counted under a key. */
  read(key: string): Promise<Counter | undefined>;
  /** The same as {@link check}, by a counter that was read just now. */
  judge(counter: Counter | undefined): Allowance;
  /** How many failures are left by such a counter. */
  left(counter: Counter | undefined): number;
  /** Counts a failure, whether one is left or not. */
  count(key: string): Promise<Counter>;
  /** Gives a try back that turned out to be no failure. */
  giveBack(key: string): Promise<void>;
};

/** How many failures, in how long. */
export type FailureLimitOptions = { name: string; failures: number; windowSeconds: number };

/** Makes a limit over the database. Its windows go by the system's clock: limits are there for what really happens. */
export function createFailureLimit(
  database: Database,
  { name, failures, windowSeconds }: FailureLimitOptions,
): FailureLimit {
  const storedKey = (key: string) => `${name}:${key}`;
  const refusal = ({ points, expire }: Counter, now: Date): Allowance => ({
    allowed: false,
    retryAfterSeconds: Math.max(1, Math.ceil(((expire?.getTime() ?? 0) - now.getTime()) / 1000)),
    first: points === failures + 1,
  });
  const left = (counter: Counter | undefined): number => {
    const isOver = !counter || (counter.expire !== null && counter.expire <= new Date());
    return isOver ? failures : Math.max(0, failures - counter.points);
  };
  const judge = (counter: Counter | undefined): Allowance =>
    !counter || left(counter) > 0 ? { allowed: true } : refusal(counter, new Date());
  const read = (key: string) => findCounter(database, { key: storedKey(key), now: new Date() });
  const count = (key: string) => countOne(database, { key: storedKey(key), windowSeconds, now: new Date() });
  return {
    async take(key) {
      const counter = await count(key);
      return counter.points <= failures ? { allowed: true } : refusal(counter, new Date());
    },
    check: async (key) => judge(await read(key)),
    storedKey,
    read,
    judge,
    left,
    count,
    async giveBack(key) {
      await uncountOne(database, { key: storedKey(key), now: new Date() });
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
