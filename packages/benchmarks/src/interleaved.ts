import { type Spread, spreadOf } from './statistics.ts';

/** What one run came to. */
export type Throughput = {
  perSecond: number;
  /** Microseconds of the server's processor time for each request: they hardly depend on what else the machine does. */
  cpuMicroseconds: number;
  /** Milliseconds until half of the answers were there, and 99 of 100. */
  latencyMs: { p50: number; p99: number };
};

/** One of the things that are compared; `run` is told how many times to do it. */
export type Variant = { name: string; run(steps: number): Promise<Throughput> };

/** What a variant came to over all rounds. */
export type Measured = {
  name: string;
  perSecond: Spread;
  cpuMicroseconds: Spread;
  p50: Spread;
  p99: Spread;
  /** Its throughput by that of another variant in the same round; above 1 it is the faster one. */
  ratioTo(name: string): { perSecond: Spread; cpu: Spread };
};

/**
 * Measures variants in turn, round after round, so that whatever else the machine does meets all of them alike: a ratio
 * is taken within a round, and holds where the figures by themselves do not. Each second round goes the other way round.
 *
 * @param effort.warmUp steps of each variant before the first round; not counted
 */
export async function measureInterleaved(
  variants: readonly Variant[],
  { rounds, steps, warmUp }: { rounds: number; steps: number; warmUp: number },
): Promise<Measured[]> {
  const figures = new Map<string, Throughput[]>(variants.map(({ name }) => [name, []]));
  for (const { run } of variants) await run(warmUp);
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? variants : [...variants].reverse();
    for (const { name, run } of order) figures.get(name)?.push(await run(steps));
    process.stderr.write(`  round ${round + 1} of ${rounds}\n`);
  }
  return variants.map(({ name }) => measured(name, figures));
}

function measured(name: string, figures: ReadonlyMap<string, Throughput[]>): Measured {
  const own = figures.get(name) ?? [];
  const over = (of: (throughput: Throughput) => number) => spreadOf(own.map(of));
  return {
    name,
    perSecond: over(({ perSecond }) => perSecond),
    cpuMicroseconds: over(({ cpuMicroseconds }) => cpuMicroseconds),
    p50: over(({ latencyMs }) => latencyMs.p50),
    p99: over(({ latencyMs }) => latencyMs.p99),
    ratioTo(other) {
      const others = figures.get(other) ?? [];
      // Those of a name stand in the order of the rounds.
      const pairs = own.flatMap((mine, round) => {
        const theirs = others[round];
        return theirs ? [{ mine, theirs }] : [];
      });
      return {
        perSecond: spreadOf(pairs.map(({ mine, theirs }) => mine.perSecond / theirs.perSecond)),
        cpu: spreadOf(pairs.map(({ mine, theirs }) => theirs.cpuMicroseconds / mine.cpuMicroseconds)),
      };
    },
  };
}
