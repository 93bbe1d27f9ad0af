import pg from 'pg';
import type { Statement, Statements, StatementValue } from './statement.ts';

/**
 * Runs statements on connections of a pool that Prisma's client uses too.
 *
 * @param prepared whether each connection prepares a statement once, under its name
 */
export function createPostgresqlStatements(pool: pg.Pool, { prepared }: { prepared: boolean }): Statements {
  return {
    run: async ({ name, postgresql: text }: Statement, ...values: StatementValue[]) => {
      const query = { text, values: values.map(toPostgresql), types: TYPES };
      if (!prepared) return (await pool.query(query)).rows;
      try {
        return (await pool.query({ ...query, name })).rows;
      } catch (cause) {
        if (!isOutdated(cause)) throw cause;
        return (await pool.query(query)).rows;
      }
    },
    inOneCommit: () => Promise.reject(new TypeError('PostgreSQL does several writes in one statement')),
  };
}

/** PostgreSQL's feature_not_supported, which it says when columns have another type than when a statement was prepared. */
const OUTDATED = '0A000';

/** Whether a prepared statement was refused, and nothing done, because a newer version has changed a table meanwhile. */
function isOutdated(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && cause.code === OUTDATED;
}

/** The columns hold UTC and no time zone; of what is written after the time PostgreSQL takes no notice there. */
function toPostgresql(value: StatementValue): unknown {
  return value instanceof Date ? value.toISOString() : value;
}

const { INT8, TIMESTAMP } = pg.types.builtins;

const TYPES = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === TIMESTAMP) return (text: string) => new Date(`${text.replace(' ', 'T')}Z`);
    if (oid === INT8) return BigInt;
    return format === 'binary' ? pg.types.getTypeParser(oid, format) : pg.types.getTypeParser(oid, 'text');
  },
};
