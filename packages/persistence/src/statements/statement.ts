/** What stands for a `$n` of a statement. */
export type StatementValue = string | number | boolean | Date | null;

/** SQL that is written by hand, for what every token request asks: each connection prepares it once, where it may. */
export type Statement = {
  /** Names what it does, such as `client.findUnique`; the same name always has the same SQL. */
  readonly name: string;
  readonly postgresql: string;
  readonly sqlite: string;
  /** Whether it changes anything. */
  readonly writes: boolean;
};

/** Runs statements without the query compiler of Prisma's client; rows come out as that client would give them. */
export type Statements = {
  /** Runs one by itself: what it wrote is durable once this resolves. Inside a transaction it is part of that. */
  run<Row>(statement: Statement, ...values: StatementValue[]): Promise<Row[]>;
  /**
   * SQLite only: runs several as one, all of them or none, durable once this resolves. `work` sees the database as it is
   * when its turn has come, and nobody writes meanwhile; when it throws, nothing of it is written. What several requests
   * do at the same time shares one commit, and so one wait for the disk.
   */
  inOneCommit<T>(work: (run: RunNow) => T): Promise<T>;
};

/** Runs a statement at once. */
export type RunNow = <Row>(statement: Statement, ...values: StatementValue[]) => Row[];

/** A statement that only reads. `sql` is PostgreSQL's, with `$1`, `$2` … and casts as `::type`, which SQLite does without. */
export function reading(name: string, sql: string): Statement {
  return { name, postgresql: sql, sqlite: forSqlite(sql), writes: false };
}

/** A statement that writes; see {@link reading}. */
export function writing(name: string, sql: string): Statement {
  return { ...reading(name, sql), writes: true };
}

function forSqlite(sql: string): string {
  return sql.replaceAll(/::("\w+"|\w+(\(\d+\))?)/g, '').replaceAll(/\$(\d+)/g, '?$1');
}

/**
 * PostgreSQL only: what `query` finds for each row of `list`, which it may name `"asked"`. Each is looked up by itself, however
 * many there are: joined with the list, tables that were small when a connection planned this would be read as a whole, and
 * still be so when they have grown. `OFFSET 0` keeps the planner from making a join of it.
 */
export function forEach(list: string, query: string): string {
  return `SELECT "found".* FROM ${list} CROSS JOIN LATERAL (${query} OFFSET 0) AS "found"`;
}

/** The columns of a table for a select list, by the names that Prisma's client has for them. */
export function columnsOf(table: string, names: Readonly<Record<string, string>>): string {
  return Object.values(names)
    .map((name) => `"${table}"."${name}"`)
    .join(', ');
}
