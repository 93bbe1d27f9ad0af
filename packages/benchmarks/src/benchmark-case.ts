import type { Spread } from './statistics.ts';

/** A table of a report: one line for each thing that was measured. */
export type ResultTable = {
  title: string;
  columns: readonly string[];
  lines: readonly (readonly (string | number)[])[];
};

/** A chart of a report: one bar for each thing that was measured, with the range of the middle half. */
export type BarChart = { title: string; unit: string; bars: readonly (Spread & { name: string })[] };

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
};

/** Something that can be measured by itself: one file in `cases/`. */
export type BenchmarkCase = { name: string; run(effort: Effort): Promise<CaseResult> };
