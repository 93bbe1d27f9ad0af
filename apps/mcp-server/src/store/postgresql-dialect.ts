import type { Logger, Secret } from '@portcullis/platform';
import { PostgresDialect } from 'kysely';
import pg from 'pg';
import type { PoolState } from './desk-store.ts';
import { survive } from './lost-connections.ts';

/** A Kysely dialect over a pool of connections, and how they are used. */
type PooledDialect = { dialect: PostgresDialect; connections(): PoolState };

/** A Kysely dialect over a pool of PostgreSQL connections. Connects lazily; a lost connection is logged and replaced. */
export function postgresqlDialect(url: Secret, logger: Logger): PooledDialect {
  const pool = new pg.Pool({
    connectionString: url.reveal(),
    max: 10,
    connectionTimeoutMillis: 5000,
    statement_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
    application_name: 'portcullis-mcp-server',
  });
  survive(pool, (error) => logger.warn({ err: error }, 'a database connection was lost'));
  return {
    dialect: new PostgresDialect({ pool }),
    connections: () => ({
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
  };
}
