import type { Logger, Secret } from '@portcullis/platform';
import { PostgresDialect } from 'kysely';
import pg from 'pg';

/** A Kysely dialect over a pool of PostgreSQL connections. Connects lazily; a lost idle connection is logged and replaced. */
export function postgresqlDialect(url: Secret, logger: Logger): PostgresDialect {
  const pool = new pg.Pool({
    connectionString: url.reveal(),
    max: 10,
    connectionTimeoutMillis: 5000,
    statement_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
    application_name: 'portcullis-mcp-server',
  });
  // Without a listener an idle connection that the server ends would end this process with it.
  pool.on('error', (error) => logger.warn({ err: error }, 'an idle database connection was lost'));
  return new PostgresDialect({ pool });
}
