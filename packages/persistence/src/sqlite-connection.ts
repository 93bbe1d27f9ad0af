import { setTimeout as delay } from 'node:timers/promises';
import { type Client, type Config, type InArgs, type InStatement, LibsqlError, type Transaction } from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';

/** How long a statement waits for another process's transaction to end. */
const busyTimeoutMs = 10_000;

/**
 * Prisma's SQLite adapter on one connection for its whole life.
 *
 * As it comes it begins transactions as readers, which fail at their first write when another process wrote in between,
 * and leaves each transaction's connection open behind it. Here they begin as writers, on the one connection; the adapter
 * itself lets nothing else run on it meanwhile.
 */
export class SqliteAdapterFactory extends PrismaLibSql {
  override createClient(config: Config): Client {
    return waitingForOthers(super.createClient(config));
  }
}

/**
 * Runs `attempt` again while another connection holds the write lock, for at most ten seconds.
 *
 * SQLite's own busy_timeout would hold the event loop, and with it the transaction that is waited for when that is in this process.
 */
export async function whenNotBusy<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await delay(1 + Math.random() * 9);
    }
  }
}

function isBusy(error: unknown): boolean {
  const primaryCodeMask = 0xff;
  const sqliteBusy = 5;
  return error instanceof LibsqlError && ((error.rawCode ?? 0) & primaryCodeMask) === sqliteBusy;
}

function waitingForOthers(client: Client): Client {
  const execute = (statement: InStatement | string, args?: InArgs) =>
    whenNotBusy(() => (typeof statement === 'string' ? client.execute(statement, args) : client.execute(statement)));
  return {
    execute,
    transaction: async () => {
      await execute('BEGIN IMMEDIATE');
      return transactionOn(client);
    },
    executeMultiple: (sql) => whenNotBusy(() => client.executeMultiple(sql)),
    batch: (statements, mode) => client.batch(statements, mode),
    migrate: (statements) => client.migrate(statements),
    sync: () => client.sync(),
    reconnect: () => client.reconnect(),
    close: () => client.close(),
    get closed() {
      return client.closed;
    },
    protocol: client.protocol,
  };
}

function transactionOn(client: Client): Transaction {
  let closed = false;
  const end = async (statement: 'COMMIT' | 'ROLLBACK') => {
    if (closed) return;
    closed = true;
    await client.execute(statement);
  };
  return {
    execute: (statement: InStatement) => client.execute(statement),
    batch: async (statements) => {
      const results = [];
      for (const statement of statements) results.push(await client.execute(statement));
      return results;
    },
    executeMultiple: () => Promise.reject(new TypeError('a script cannot run inside a transaction')),
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
    close: () => void end('ROLLBACK'),
    get closed() {
      return closed;
    },
  };
}
