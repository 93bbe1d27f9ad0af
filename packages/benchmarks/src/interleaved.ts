import { type Spread, spreadOf } from './statistics.ts';

/** Requests per second, and per second of the server's processor time, which hardly depends on what else the machine does. */
export type Throughput = { perSecond: number; perCpuSecond: number };

/** One of the things that are compared. */
export type Variant = { name: string; run(): Promise<Throughput> };

/** What a variant came to, and its share of what the first one came to in the same round. */
export type Measured = { name: string; perSecond: Spread; ratio: Spread; cpuRatio: Spread };

/**
 * Measures variants in turn, round after round, so that whatever else the machine does meets all of them alike: a ratio
 * is taken within a round, and holds where the figures by themselves do not. Each second round goes the other way
 * round. The first variant is what the others are compared with.
 *
 * @param rounds that are counted, after one to warm up
 */
export async function measureInterleaved(variants: readonly Variant[], rounds: number): Promise<Measured[]> {
  const figures = new Map<string, Throughput[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? variants : [...variants].reverse();
    for (const { name, run } of order) {
      const throughput = await run();
      if (round > 0) figures.get(name)?.push(throughput);
    }
  }
  const reference = figures.get(variants[0]?.name ?? '') ?? [];
  // Those of a name stand in the order of the rounds.
  return variants.map(({ name }) => {
    const own = figures.get(name) ?? [];
    const ratios = (of: keyof Throughput) =>
      spreadOf(own.map((throughput, round) => throughput[of] / (reference[round]?.[of] ?? Number.NaN)));
    const perSecond = spreadOf(own.map((throughput) => throughput.perSecond));
    return { name, perSecond, ratio: ratios('perSecond'), cpuRatio: ratios('perCpuSecond') };
  });
}
