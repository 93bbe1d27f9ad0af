import type { Database } from './database.ts';
import { COUNT_ONE, COUNTER_OF, UNCOUNT_ONE } from './statements/counters.ts';

/** What a limit has counted; `expire` is null for what is counted for ever. */
export type Counter = { points: number; expire: Date | null };

/** Finds what a limit has counted under a key, unless that is over. */
export async function findCounter(
  { statements }: Database,
  { key, now }: { key: string; now: Date },
): Promise<Counter | undefined> {
  const [counter] = await statements.run<Counter>(COUNTER_OF, key, now);
  return counter;
}

/**
 * Counts one more under a key, in a window of so many seconds that begins with the first. What has ended begins anew; of
 * those who count at once, on any replica, each is counted.
 *
 * @returns the counter with this one in it
 */
export async function countOne(
  { statements }: Database,
  { key, windowSeconds, now }: { key: string; windowSeconds: number; now: Date },
): Promise<Counter> {
  const expire = new Date(now.getTime() + windowSeconds * 1000);
  const [counter] = await statements.run<Counter>(COUNT_ONE, key, now, expire);
  if (!counter) throw new TypeError('counting gives a row');
  return counter;
}

/** Takes one back that was counted, unless its window is over. */
export async function uncountOne({ statements }: Database, { key, now }: { key: string; now: Date }): Promise<void> {
  await statements.run(UNCOUNT_ONE, key, now);
}
