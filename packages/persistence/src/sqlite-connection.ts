import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  type Config,
  createClient,
  type InArgs,
  type InStatement,
  LibsqlError,
  type Transaction,
} from '@libsql/client';
import { PrismaLibSql } from '@prisma/adapter-libsql';

/** How long a statement waits for another connection's transaction to end. */
const busyTimeoutMs = 10_000;

/**
 * Prisma's SQLite adapter on {@link openConnection}.
 *
 * As it comes it begins transactions as readers, which fail at their first write when another process wrote in between,
 * and leaves each transaction's connection open behind it.
 */
export class SqliteAdapterFactory extends PrismaLibSql {
  override createClient(config: Config): Client {
    return openConnection(config);
  }
}

/**
 * One connection for its whole life, on which transactions begin as writers. Whoever has it runs one transaction at a time,
 * and nothing else meanwhile; Prisma's adapter keeps to that.
 *
 * While another connection writes, a statement is tried again for at most ten seconds. SQLite's own busy_timeout would hold
 * the event loop, and with it the transaction that is waited for when that is in this process.
 */
export function openConnection(config: Config): Client {
  const client = createClient(config);
  const execute = (statement: InStatement | string, args?: InArgs) =>
    whenNotBusy(client, () =>
      typeof statement === 'string' ? client.execute(statement, args) : client.execute(statement),
    );
  return {
    execute,
    transaction: async () => {
      await execute('BEGIN IMMEDIATE');
      return transactionOn(client);
    },
    executeMultiple: (sql) => whenNotBusy(client, () => client.executeMultiple(sql)),
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

async function whenNotBusy<T>(client: Client, attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      // The driver leaves the statement that was refused half-run, and no later transaction could commit beside it.
      client.reconnect();
      await delay(1 + Math.random() * 9);
    }
  }
}

function isBusy(error: unknown): boolean {
  const primaryCodeMask = 0xff;
  const sqliteBusy = 5;
  return error instanceof LibsqlError && ((error.rawCode ?? 0) & primaryCodeMask) === sqliteBusy;
}

function transactionOn(client: Client): Transaction {
  let closed = false;
  const end = async (statement: 'COMMIT' | 'ROLLBACK') => {
    if (closed) return;
    await client.execute(statement);
    closed = true;
  };
  return {
    execute: (statement: InStatement) => client.execute(statement),
    batch: async (statements) => {
      const results = [];
      for (const statement of statements) results.push(await client.execute(statement));
      return results;
    },
    executeMultiple: () => Promise.reject(new TypeError('a script cannot run inside a transaction')),
    commit: async () => {
      try {
        await end('COMMIT');
      } catch (error) {
        // Nobody else would end it, and the connection is used on.
        await end('ROLLBACK');
        throw error;
      }
    },
    rollback: () => end('ROLLBACK'),
    close: () => void end('ROLLBACK'),
    get closed() {
      return closed;
    },
  };
}
