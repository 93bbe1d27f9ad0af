import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** What SQLite keeps, as Node gives it: integers as bigint. */
export type SqliteValue = null | bigint | number | string | Uint8Array;

/** What a statement gave. One that gives no rows has no columns either. */
export type SqliteResult = {
  readonly columns: readonly string[];
  /** What the columns were declared as; empty for an expression. */
  readonly declaredTypes: readonly string[];
  readonly rows: SqliteValue[][];
  /** How many rows were written; 0 for a statement that gives rows. */
  readonly rowsAffected: number;
};

/** The statements of one connection, each prepared once for as long as it is used. */
export type SqliteStatements = {
  /**
   * Runs a statement to its end. It is over when this returns or throws, so it holds no lock and keeps no transaction from
   * ending.
   *
   * @throws {SqliteError} where SQLite refuses it
   */
  run(sql: string, args?: readonly SqliteValue[]): SqliteResult;
  /** Prepares everything anew, for tables that were changed. */
  forget(): void;
};

/**
 * How many statements are kept: more than the authorization server has, but for lists of many lengths. SQLite takes 4 kB for
 * one, and 60 µs to prepare it, as long as what it then does.
 */
const KEPT_STATEMENTS = 256;

type Columns = Pick<SqliteResult, 'columns' | 'declaredTypes'>;
type Prepared = { statement: StatementSync; givesRows: boolean; columns?: Columns };

const NO_COLUMNS: Columns = { columns: [], declaredTypes: [] };

/** Remembers the statements of a connection by their text; the one that was not used for longest makes room. */
export function createStatements(database: DatabaseSync, kept = KEPT_STATEMENTS): SqliteStatements {
  const prepared = new Map<string, Prepared>();

  const prepare = (sql: string): Prepared => {
    const known = prepared.get(sql);
    if (known) prepared.delete(sql);
    const current = known ?? prepareStatement(database, sql);
    prepared.set(sql, current);
    const [oldest] = prepared.keys();
    if (prepared.size > kept && oldest !== undefined) prepared.delete(oldest);
    return current;
  };

  return {
    run: (sql, args = []) => {
      const current = prepare(sql);
      const result = current.givesRows ? rowsOf(sql, current, args) : write(current, args);
      if (changesTables(sql)) prepared.clear();
      return result;
    },
    forget: () => prepared.clear(),
  };
}

function prepareStatement(database: DatabaseSync, sql: string): Prepared {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  return { statement, givesRows: statement.columns().length > 0 };
}

function rowsOf(sql: string, prepared: Prepared, args: readonly SqliteValue[]): SqliteResult {
  const rows = prepared.statement.all(...args) as unknown as SqliteValue[][];
  // SQLite prepares a statement anew by itself when tables were changed, and what a * stands for may be something else then.
  const columns = prepared.columns ?? columnsOf(prepared.statement);
  if (!sql.includes('*')) prepared.columns = columns;
  return { ...columns, rows, rowsAffected: 0 };
}

function columnsOf(statement: StatementSync): Columns {
  const columns = statement.columns();
  return { columns: columns.map(({ name }) => name), declaredTypes: columns.map(({ type }) => type ?? '') };
}

function write({ statement }: Prepared, args: readonly SqliteValue[]): SqliteResult {
  return { ...NO_COLUMNS, rows: [], rowsAffected: Number(statement.run(...args).changes) };
}

function changesTables(sql: string): boolean {
  return /^\s*(create|alter|drop)\b/i.test(sql);
}
