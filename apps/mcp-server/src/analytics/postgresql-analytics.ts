import type { Logger, Secret } from '@portcullis/platform';
import pg from 'pg';
import { survive } from '../store/lost-connections.ts';
import {
  type Analytics,
  type AnalyticsOutcome,
  type AnalyticsRefusal,
  RESULT_LIMITS,
  refused,
  resultTable,
  withoutEnd,
} from './analytics.ts';

/** What queries run with. */
export type PostgresqlAnalyticsOptions = {
  /** The `postgresql://` URL of a role that may do nothing else; see {@link boundaryProblems}. */
  url: Secret;
  timeoutMs: number;
  /** How many connections there are at most. */
  connections: number;
};

/** After this long a server that does not keep its own time-out is given up. */
const GRACE_MS = 2000;

/**
 * Runs queries on connections of their own, with a login role of their own: within one session `SET ROLE` is no boundary,
 * because it can be undone. Each query is a cursor in a read-only transaction that is always rolled back.
 * The rights of the role are the boundary and are not checked here.
 */
export function postgresqlAnalytics(options: PostgresqlAnalyticsOptions, logger: Logger): Analytics {
  const { url, timeoutMs, connections } = options;
  const pool = new pg.Pool({
    connectionString: url.reveal(),
    max: connections,
    connectionTimeoutMillis: 5000,
    statement_timeout: timeoutMs,
    query_timeout: timeoutMs + GRACE_MS,
    application_name: 'portcullis-analytics',
    // A query whose connection is gone must not run on; the server looks after it four times a second.
    options:
      '-c search_path=analytics -c TimeZone=UTC -c default_transaction_read_only=on -c client_connection_check_interval=250',
  });
  survive(pool, (error) => logger.warn({ err: error }, 'an analytics connection was lost'));
  return {
    timeoutMs,
    async run(statement, signal) {
      const client = await pool.connect();
      let isReleased = false;
      const release = ({ sound }: { sound: boolean }) => {
        if (!isReleased) client.release(!sound);
        isReleased = true;
      };
      const end = () => release({ sound: false });
      signal.addEventListener('abort', end, { once: true });
      try {
        if (signal.aborted) return refused('took-too-long');
        const outcome = await answer(client, withoutEnd(statement));
        await client.query('rollback');
        release({ sound: true });
        return outcome;
      } catch (cause) {
        if (signal.aborted) return refused('took-too-long');
        throw cause;
      } finally {
        signal.removeEventListener('abort', end);
        end();
      }
    },
    close: () => pool.end(),
  };
}

async function answer(client: pg.PoolClient, statement: string): Promise<AnalyticsOutcome> {
  try {
    await client.query('begin transaction read only');
    const columns = await columnsOf(client, statement);
    if (columns.length === 0) return refused('not-sql');
    if (columns.length > RESULT_LIMITS.columns) return refused('too-large');
    await declare(client, 'answer', cutToSize(statement, columns));
    const fetched = await client.query({ text: `fetch ${RESULT_LIMITS.rows + 1} from answer`, rowMode: 'array' });
    const rows = fetched.rows.map((row: unknown[]) =>
      row.map((value, index) => typed(value, columns[index]?.dataTypeID)),
    );
    return {
      ok: true,
      table: resultTable(
        columns.map(({ name }) => name),
        rows,
      ),
    };
  } catch (cause) {
    const reason = cause instanceof pg.DatabaseError ? refusalOf(cause.code ?? '') : undefined;
    if (reason === undefined) throw cause;
    return refused(reason);
  }
}

/**
 * A cursor takes one query and nothing else, and the extended protocol one statement. Declared by itself first: what is
 * a whole query alone cannot close the parenthesis around it afterwards.
 */
async function columnsOf(client: pg.PoolClient, statement: string): Promise<pg.FieldDef[]> {
  await declare(client, 'whole', statement);
  return (await client.query('fetch 0 from whole')).fields;
}

async function declare(client: pg.PoolClient, cursor: 'whole' | 'answer', query: string): Promise<void> {
  const text = `declare ${cursor} no scroll cursor for\n${query}`;
  const declaration: pg.QueryConfig & { queryMode: 'extended' } = { text, queryMode: 'extended' };
  await client.query(declaration);
}

/** Types whose values are short, by their number in the catalogue: boolean, smallint, integer, real, double precision. */
const SHORT_TYPES: ReadonlySet<number> = new Set([16, 21, 23, 700, 701]);
/** bigint and numeric. */
const NUMBER_TYPES: ReadonlySet<number> = new Set([20, 1700]);

/** The same query with every value cut on the server, so that no large one is ever sent. */
function cutToSize(statement: string, columns: readonly pg.FieldDef[]): string {
  const names = columns.map((_, index) => `c${index}`);
  const cut = columns.map(({ dataTypeID }, index) =>
    SHORT_TYPES.has(dataTypeID) ? `q.c${index}` : `left(q.c${index}::text, ${RESULT_LIMITS.cellCharacters + 1})`,
  );
  return `select ${cut.join(', ')} from (\n${statement}\n) as q(${names.join(', ')})`;
}

/** Counts and sums come as text; as numbers where they are exact. */
function typed(value: unknown, type: number | undefined): unknown {
  if (typeof value !== 'string' || type === undefined || !NUMBER_TYPES.has(type)) return value;
  const number = Number(value);
  return Number.isFinite(number) && Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : value;
}

/** What PostgreSQL's error code says about the query; `undefined` where it says something about us. */
function refusalOf(code: string): AnalyticsRefusal | undefined {
  switch (code) {
    case '42501':
    case '25006':
      return 'not-allowed';
    case '57014':
      return 'took-too-long';
    case '08P01': // a parameter without a value
      return 'not-sql';
    case '42P01':
    case '42703':
    case '42883':
    case '42704':
    case '3F000':
      return 'unknown-name';
  }
  switch (code.slice(0, 2)) {
    case '42':
    case '0A':
      return 'not-sql';
    case '22':
    case '21':
      return 'bad-value';
    case '54':
    case '53':
      return 'too-large';
    default:
      return undefined;
  }
}
