import type { Database } from '../database.ts';
import type { Statement, Statements, StatementValue } from './statement.ts';

/** Runs statements inside a transaction of Prisma's client. */
export function createTransactionStatements({ kind, prisma }: Pick<Database, 'kind' | 'prisma'>): Statements {
  return {
    run: <Row>(statement: Statement, ...values: StatementValue[]) =>
      prisma.$queryRawUnsafe<Row[]>(statement[kind], ...values),
    inOneCommit: () => Promise.reject(new TypeError('a transaction is open already')),
  };
}
