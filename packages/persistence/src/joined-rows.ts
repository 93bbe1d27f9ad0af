import { type User, userOf } from './user-store.ts';

/** A row of several tables, whose columns are named after these: `Table.column`. */
export type JoinedRow = Record<string, unknown>;

/** A table's part of a joined row. */
export type Part<Row> = {
  /** For the select list. */
  columns: string;
  /** The table's own row; undefined where nothing was joined. */
  of(joined: JoinedRow | undefined): Row | undefined;
};

/** @param names the columns that are read of it, `id` among them */
export function partOf<Row extends { id: string }>(table: string, names: readonly (keyof Row & string)[]): Part<Row> {
  const columns = names.map((name) => ({ name, joined: `${table}.${name}` }));
  return {
    columns: columns.map(({ name, joined }) => `"${table}"."${name}" AS "${joined}"`).join(', '),
    of: (joinedRow) => {
      if (typeof joinedRow?.[`${table}.id`] !== 'string') return undefined;
      const row: Record<string, unknown> = {};
      for (const { name, joined } of columns) row[name] = joinedRow[joined];
      return row as Row;
    },
  };
}

/** What every request wants to know of a user. */
export const USER = partOf<Omit<User, 'roles'>>('User', ['id', 'email', 'passwordHash', 'disabledAt', 'accessEpoch']);

/** The {@link USER} of rows of which there is one for each `role`. */
export function userOfJoined(rows: readonly JoinedRow[]): User | undefined {
  const user = USER.of(rows[0]);
  return user && userOf(rows.map(({ role }) => ({ ...user, role: typeof role === 'string' ? role : null })));
}
