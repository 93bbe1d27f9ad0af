import type { Variant } from './interleaved.ts';

/** A variant that does something in this very process, so often at once; nobody answers, and so there are no latencies. */
export function ownWork(name: string, { atOnce, operate }: { atOnce: number; operate: () => unknown }): Variant {
  return {
    name,
    async run(steps) {
      let left = steps;
      const cpuBefore = process.cpuUsage();
      const startedAt = performance.now();
      const work = async () => {
        while (left-- > 0) await operate();
      };
      await Promise.all(Array.from({ length: atOnce }, work));
      const seconds = (performance.now() - startedAt) / 1000;
      const { user, system } = process.cpuUsage(cpuBefore);
      const latencyMs = { p50: Number.NaN, p99: Number.NaN };
      return { perSecond: steps / seconds, cpuMicroseconds: (user + system) / steps, latencyMs };
    },
  };
}
