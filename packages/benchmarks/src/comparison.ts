import type { BarChart, ResultTable } from './benchmark-case.ts';
import type { Measured } from './interleaved.ts';
import type { Spread } from './statistics.ts';

/** Variants that were measured in turn, beside the one that they are compared with. */
export function tableOf(title: string, measured: readonly Measured[], reference: string): ResultTable {
  return {
    title,
    columns: ['variant', 'per second', 'ratio', 'CPU, µs', 'ratio by CPU', 'p50, ms', 'p99, ms'],
    lines: measured.map((one) => {
      const { perSecond, cpu } = one.ratioTo(reference);
      return [
        one.name,
        withRange(one.perSecond, 0),
        withRange(perSecond, 3),
        withRange(one.cpuMicroseconds, 0),
        withRange(cpu, 3),
        milliseconds(one.p50.median),
        milliseconds(one.p99.median),
      ];
    }),
  };
}

/** What answers nobody has no latency. */
function milliseconds(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(1);
}

/** How many times a second each of them was done. */
export function chartOf(title: string, measured: readonly Measured[]): BarChart {
  return { title, unit: 'per second', bars: measured.map(({ name, perSecond }) => ({ name, ...perSecond })) };
}

/** A median with the range of the middle half in brackets. */
export function withRange({ median, lower, upper }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${lower.toFixed(digits)} – ${upper.toFixed(digits)})`;
}
