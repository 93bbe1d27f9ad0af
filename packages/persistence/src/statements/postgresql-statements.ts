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
      const { rows } = await pool.query({
        ...(prepared && { name }),
        text,
        values: values.map(toPostgresql),
        types: TYPES,
      });
      return rows;
    },
    inOneCommit: () => Promise.reject(new TypeError('PostgreSQL does several writes in one statement')),
  };
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
