import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Statement, Statements, StatementValue } from './statement.ts';

/**
 * Runs statements on connections of a pool that Prisma's client uses too.
 *
 * @param prepared whether each connection prepares a statement once, under its name
 */
export function createPostgresqlStatements(pool: pg.Pool, { prepared }: { prepared: boolean }): Statements {
  const names = new Map<Statement, string>();
  const known = (statement: Statement) => {
    const name = names.get(statement) ?? nameOf(statement);
    names.set(statement, name);
    return name;
  };
  return {
    run: async (statement: Statement, ...values: StatementValue[]) => {
      const query = { text: statement.postgresql, values: values.map(toPostgresql), types: TYPES };
      if (!prepared) return (await pool.query(query)).rows;
      try {
        return (await pool.query({ ...query, name: known(statement) })).rows;
      } catch (cause) {
        if (!isUnusable(cause)) throw cause;
        return (await pool.query(query)).rows;
      }
    },
    inOneCommit: () => Promise.reject(new TypeError('PostgreSQL does several writes in one statement')),
  };
}

/**
 * What PostgreSQL says of a prepared statement before it does anything: feature_not_supported where columns have another
 * type than when it was prepared; and behind a pooler that swaps connections, that there is none, or one already.
 */
const UNUSABLE = new Set(['0A000', '26000', '42P05']);

function isUnusable(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && cause.code !== undefined && UNUSABLE.has(cause.code);
}

/** Two versions that share connections behind a pooler must not run each other's SQL under one name. */
function nameOf({ name, postgresql }: Statement): string {
  return `${name}.${createHash('sha256').update(postgresql).digest('base64url').slice(0, 8)}`;
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
