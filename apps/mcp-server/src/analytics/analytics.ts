/** One value of an answer. */
type Cell = string | number | boolean | null;

/** What a query gave, cut to the limits of {@link RESULT_LIMITS}. */
export type ResultTable = {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** Whether rows or ends of texts were left out. */
  cut: boolean;
};

/**
 * Why a query was not answered.
 *
 * - `not-sql`: it is no single SELECT statement that the database understands
 * - `unknown-name`: it names a view, column or function that does not exist
 * - `not-allowed`: it reaches for something that is not among the views
 * - `bad-value`: something in it cannot be computed, such as a division by zero
 * - `too-large`: it has too many columns, or makes something that is too large
 * - `took-too-long`: it was ended when its time was over
 * - `busy`: too many queries run and wait already
 */
export type AnalyticsRefusal =
  | 'not-sql'
  | 'unknown-name'
  | 'not-allowed'
  | 'bad-value'
  | 'too-large'
  | 'took-too-long'
  | 'busy';

/** How a query ended. */
export type AnalyticsOutcome = { ok: true; table: ResultTable } | { ok: false; refusal: { reason: AnalyticsRefusal } };

/** Runs SQL that a model wrote, where nothing but the analytics views can be read and nothing can be changed (SP-33). */
export type Analytics = {
  /** How long a query may run. */
  readonly timeoutMs: number;
  /**
   * Answers within little more than {@link Analytics.timeoutMs}, whatever the statement is; rejects on a fault of ours.
   *
   * @param signal ends the query when it is aborted; the answer is `took-too-long` then
   */
  run(statement: string, signal: AbortSignal): Promise<AnalyticsOutcome>;
  close(): Promise<void>;
};

/** What one answer holds at most. */
export const RESULT_LIMITS = { rows: 200, columns: 40, cellCharacters: 1000, totalCharacters: 100_000 } as const;

const NAME_CAP_CHARACTERS = 100;

/** The refusal as a value. */
export function refused(reason: AnalyticsRefusal): AnalyticsOutcome {
  return { ok: false, refusal: { reason } };
}

/** One semicolon at the end is harmless, and people write it. */
export function withoutEnd(statement: string): string {
  return statement.replace(/;\s*$/, '');
}

/** Cuts what a database gave to {@link RESULT_LIMITS}; whoever asks for one row more than the limit learns that there are more. */
export function resultTable(columns: readonly string[], rows: Iterable<readonly unknown[]>): ResultTable {
  const kept: Cell[][] = [];
  let characters = 0;
  let cut = false;
  for (const row of rows) {
    const cells = row.map(asCell).map(shortened);
    characters += cells.reduce((sum, { cell }) => sum + String(cell).length, 0);
    if (kept.length === RESULT_LIMITS.rows || characters > RESULT_LIMITS.totalCharacters) {
      cut = true;
      break;
    }
    cut ||= cells.some((cell) => cell.cut);
    kept.push(cells.map(({ cell }) => cell));
  }
  return { columns: columns.map((name) => name.slice(0, NAME_CAP_CHARACTERS)), rows: kept, cut };
}

function shortened(cell: Cell): { cell: Cell; cut: boolean } {
  const cut = typeof cell === 'string' && cell.length > RESULT_LIMITS.cellCharacters;
  return { cell: cut ? cell.slice(0, RESULT_LIMITS.cellCharacters) : cell, cut };
}

/** A value that JSON can say. */
function asCell(value: unknown): Cell {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    default:
      return value === null || value === undefined ? null : '(bytes)';
  }
}
