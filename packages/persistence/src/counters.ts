import type { Database } from './database.ts';
import { COUNTER_OF } from './statements/lookups.ts';

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
