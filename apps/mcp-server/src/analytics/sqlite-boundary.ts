import { randomBytes } from 'node:crypto';
import { constants, DatabaseSync } from 'node:sqlite';
import { RESULT_LIMITS } from './analytics.ts';
import { ANALYTICS_VIEWS } from './views.ts';

/** Functions that compute and do nothing else. */
const COMPUTING_FUNCTIONS: ReadonlySet<string> = new Set(
  `abs avg ceil ceiling char coalesce concat concat_ws count cume_dist date datetime dense_rank exp first_value floor
  format glob group_concat hex ifnull iif instr julianday lag last_value lead length like ln log log10 log2 lower ltrim
  max min mod nth_value ntile nullif percent_rank pow power printf rank replace round row_number rtrim sign sqrt
  strftime string_agg substr substring sum time timediff total trim trunc typeof unicode unixepoch upper`.split(/\s+/),
);

const VALUE_CAP_BYTES = 1_000_000;
const STATEMENT_CAP_BYTES = 64_000;

/**
 * Opens a SQLite file so that a statement can read the analytics views and nothing else, and write nothing.
 *
 * SQLite tells an authorizer for which view a base table is read, but a common table expression of the same name looks
 * just like that view. So the base tables may be read for names only that nobody outside this process can know: each
 * view stands on a hidden one with 128 random bits in its name. The hidden ones keep their rows together
 * (`materialized`): taken apart, they would ask for their table without saying for which view.
 */
export function openForAnalytics(file: string): DatabaseSync {
  const database = new DatabaseSync(file, {
    readOnly: true,
    timeout: 5000,
    limits: { length: VALUE_CAP_BYTES, sqlLength: STATEMENT_CAP_BYTES, column: 2 * RESULT_LIMITS.columns, attach: 0 },
  });
  const secret = randomBytes(16).toString('hex');
  const taken = takenNames(database);
  for (const { name, columns, select } of ANALYTICS_VIEWS) {
    const [hidden, rows] = [`view_${name}_${secret}`, `rows_${name}_${secret}`];
    database.exec(`create temp view "${hidden}" (${columns.join(', ')}) as
      with "${rows}" as materialized (${select}) select * from "${rows}"`);
    database.exec(`create temp view "${name}" as select * from "${hidden}"`);
  }
  database.setAuthorizer((action, subject, detail, schema, view) =>
    allows({ action, subject, detail, schema, view }, { secret, taken }) ? constants.SQLITE_OK : constants.SQLITE_DENY,
  );
  return database;
}

/** Names that stand for something in the file, or for something that SQLite brings along. */
function takenNames(database: DatabaseSync): ReadonlySet<string> {
  const rows = database.prepare('select name from main.sqlite_schema union select name from pragma_module_list').all();
  return new Set(rows.map(({ name }) => String(name).toLowerCase()));
}

/** What SQLite asks its authorizer. */
type Access = {
  action: number;
  subject: string | null;
  detail: string | null;
  schema: string | null;
  view: string | null;
};

/** Everything that is not named here is refused: tables, PRAGMA, ATTACH, transactions, writes, other functions. */
function allows(access: Access, names: { secret: string; taken: ReadonlySet<string> }): boolean {
  const { action, subject, detail, view } = access;
  switch (action) {
    case constants.SQLITE_SELECT:
    case constants.SQLITE_RECURSIVE:
      return true;
    case constants.SQLITE_FUNCTION:
      return detail !== null && COMPUTING_FUNCTIONS.has(detail.toLowerCase());
    case constants.SQLITE_READ: {
      const hidden = [subject, view].some((name) => name?.endsWith(`_${names.secret}`));
      const ours = ANALYTICS_VIEWS.some(({ name }) => name === subject);
      return hidden || ours || isCommonTableExpression(access, names.taken);
    }
    default:
      return false;
  }
}

/** Asked where the rows of something are counted, and none of its columns is read: then a name of the statement's own is no table. */
function isCommonTableExpression({ subject, detail, schema }: Access, taken: ReadonlySet<string>): boolean {
  const name = subject?.toLowerCase() ?? '';
  return detail === '' && schema === null && !taken.has(name) && !/^(sqlite|pragma|json|jsonb)_/.test(name);
}
