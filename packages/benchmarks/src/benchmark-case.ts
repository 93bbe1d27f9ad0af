/** A table of a report: one line for each thing that was measured. */
export type ResultTable = {
  title: string;
  columns: readonly string[];
  lines: readonly (readonly (string | number)[])[];
};

/** What a case has to say. */
export type CaseResult = { name: string; tables: readonly ResultTable[]; notes: readonly string[] };

/** How much is to be measured; each case has defaults of its own. */
type Effort = { rounds: number | undefined; size: number | undefined };

/** Something that can be measured by itself: one file in `cases/`. */
export type BenchmarkCase = { name: string; run(effort: Effort): Promise<CaseResult> };
