import type { Database } from './database.ts';

/** What was counted under a key. */
export type EndedCounter = { key: string; points: number };

/**
 * Takes counters of the rate-limit table whose time is over, and removes them; of several who take at once, on any
 * replica, each counter goes to one. Call it in the transaction that writes down what they came to.
 *
 * @param name the limit that they belong to; keys are answered without it
 */
export async function takeEndedCounters(
  { prisma }: Database,
  { name, limit, now }: { name: string; limit: number; now: Date },
): Promise<EndedCounter[]> {
  const prefix = `${name}:`;
  const ended = { expire: { lte: now } };
  const rows = await prisma.rateLimit.findMany({ where: { key: { startsWith: prefix }, ...ended }, take: limit });
  const taken: EndedCounter[] = [];
  for (const { key, points } of rows) {
    const { count } = await prisma.rateLimit.deleteMany({ where: { key, points, ...ended } });
    if (count === 1) taken.push({ key: key.slice(prefix.length), points });
  }
  return taken;
}
