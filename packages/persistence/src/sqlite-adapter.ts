import {
  DriverAdapterError,
  type IsolationLevel,
  type SqlDriverAdapter,
  type SqlDriverAdapterFactory,
  type SqlQuery,
  type SqlQueryable,
  type SqlResultSet,
  type Transaction,
} from '@prisma/driver-adapter-utils';
import { isSqliteError, openConnection, type SqliteConnection, type SqliteTransaction } from './sqlite-connection.ts';
import { mappedError } from './sqlite-error.ts';
import type { SqliteResult, SqliteValue } from './sqlite-statements.ts';
import { argumentOf, columnTypesOf, resultRow } from './sqlite-values.ts';

const info = { provider: 'sqlite', adapterName: '@portcullis/persistence' } as const;

/**
 * Prisma's door to a SQLite file, through {@link openConnection}. It keeps values as Prisma's own adapter for libSQL does,
 * and a test holds it to that; but that one prepares each statement anew, begins transactions as readers, which fail at
 * their first write when another process wrote in between, and brings a client for servers along.
 *
 * @param path absolute
 */
export function createSqliteAdapter(path: string): SqlDriverAdapterFactory {
  return { ...info, connect: async () => adapterOn(openConnection(path)) };
}

type Run = (sql: string, args: SqliteValue[]) => Promise<SqliteResult> | SqliteResult;

function adapterOn(connection: SqliteConnection): SqlDriverAdapter {
  return {
    ...queryable((sql, args) => connection.run(sql, args)),
    executeScript: (script) => translated(() => connection.runScript(script)),
    startTransaction: async (isolationLevel) => {
      refuseOtherThanSerializable(isolationLevel);
      return transactionOn(await translated(() => connection.begin()));
    },
    dispose: async () => connection.close(),
  };
}

function transactionOn(transaction: SqliteTransaction): Transaction {
  const run = async (sql: string) => void (await translated(() => transaction.run(sql)));
  return {
    ...queryable((sql, args) => transaction.run(sql, args)),
    // Prisma then leaves COMMIT and ROLLBACK to us.
    options: { usePhantomQuery: true },
    commit: () => translated(() => transaction.commit()),
    rollback: () => translated(() => transaction.rollback()),
    createSavepoint: (name) => run(`SAVEPOINT ${name}`),
    rollbackToSavepoint: (name) => run(`ROLLBACK TO ${name}`),
    releaseSavepoint: (name) => run(`RELEASE SAVEPOINT ${name}`),
  };
}

function queryable(run: Run): SqlQueryable {
  const perform = ({ sql, args, argTypes }: SqlQuery) =>
    translated(() =>
      run(
        sql,
        args.map((value, index) => argumentOf(value, argTypes[index])),
      ),
    );
  return {
    ...info,
    queryRaw: async (query) => resultSet(await perform(query)),
    executeRaw: async (query) => (await perform(query)).rowsAffected,
  };
}

function resultSet({ columns, declaredTypes, rows }: SqliteResult): SqlResultSet {
  const columnTypes = columnTypesOf(declaredTypes, rows);
  for (const row of rows) resultRow(row, columnTypes);
  return { columnNames: [...columns], columnTypes, rows };
}

function refuseOtherThanSerializable(level: IsolationLevel | undefined): void {
  if (level && level !== 'SERIALIZABLE') throw new DriverAdapterError({ kind: 'InvalidIsolationLevel', level });
}

async function translated<T>(act: () => Promise<T> | T): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw isSqliteError(error) ? new DriverAdapterError(mappedError(error)) : error;
  }
}
