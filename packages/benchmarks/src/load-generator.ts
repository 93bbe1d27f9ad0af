import { type ChildProgram, startProgram } from './child-program.ts';
import type { Throughput, Variant } from './interleaved.ts';
import { cpuSecondsOf } from './process-usage.ts';
import type { LoadResult, ScenarioName, ScenarioSettings } from './scenarios/load.ts';

/** A process that loads servers, so that making the load costs them nothing. */
export type LoadGenerator = {
  /** Tells it what `name` stands for. */
  set<Name extends ScenarioName>(name: string, scenario: Name, settings: ScenarioSettings[Name]): Promise<void>;
  /** Does it so many times, and looks at the processor time of the processes that serve it. */
  run(name: string, much: { steps: number; atOnce: number }, servers: readonly number[]): Promise<Throughput>;
  stop(): Promise<void>;
};

/** Starts one. */
export async function startLoadGenerator(): Promise<LoadGenerator> {
  const program: ChildProgram<'ready'> = await startProgram('load-generator', {});
  return {
    async set(name, scenario, settings) {
      await program.ask({ set: name, scenario, settings });
    },
    async run(name, { steps, atOnce }, servers) {
      await program.ask({ prepare: name, steps });
      const before = cpuSecondsOf(servers);
      const { seconds, latencyMs } = await program.ask<LoadResult>({ run: name, steps, atOnce });
      const cpuSeconds = cpuSecondsOf(servers) - before;
      return { perSecond: steps / seconds, cpuMicroseconds: (cpuSeconds / steps) * 1e6, latencyMs };
    },
    stop: () => program.stop(),
  };
}

/**
 * A variant that runs a scenario against some processes.
 *
 * @param variant.share of the steps that others do, above 0 and at most 1, for what takes many times as long; default: 1
 */
export function loadVariant(
  generator: LoadGenerator,
  variant: { name: string; atOnce: number; servers: readonly number[]; share?: number },
): Variant {
  const { name, atOnce, servers, share = 1 } = variant;
  return { name, run: (steps) => generator.run(name, { steps: Math.ceil(steps * share), atOnce }, servers) };
}
