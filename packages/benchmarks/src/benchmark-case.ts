import type { Servers } from './peers/servers.ts';
import type { Spread } from './statistics.ts';

/** A table of a report: one line for each thing that was measured. */
export type ResultTable = {
  title: string;
  columns: readonly string[];
  lines: readonly (readonly (string | number)[])[];
};

/** A chart of a report: one bar for each thing that was measured, with the range of the middle half. */
export type BarChart = { title: string; unit: string; bars: readonly (Spread & { name: string })[] };

/** A chart of a report: how something went over time; `y` from zero on, each line with a point for each moment. */
export type LineChart = {
  title: string;
  unit: string;
  /** What the moments are counted in. */
  time: string;
  lines: readonly { name: string; points: readonly (readonly [moment: number, value: number])[] }[];
};

/** What is to be reached, and what was measured. */
export type Goal = {
  what: string;
  sense: 'at least' | 'at most';
  wanted: number;
  /** NaN where it could not be measured. */
  measured: number;
};

/** What a case has to say. */
export type CaseResult = {
  name: string;
  tables: readonly ResultTable[];
  charts?: readonly BarChart[];
  courses?: readonly LineChart[];
  goals?: readonly Goal[];
  notes: readonly string[];
};

/** How much is to be measured. */
type Effort = {
  /** Seconds in all, with figures that say nothing: to see that a case works. */
  quick: boolean;
  /** In place of what the case does by itself. */
  rounds: number | undefined;
  size: number | undefined;
  servers: Servers;
};

/** Something that can be measured by itself: one file in `cases/`. */
export type BenchmarkCase = { name: string; run(effort: Effort): Promise<CaseResult> };
