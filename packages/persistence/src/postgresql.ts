import { StartupError } from '@portcullis/platform';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { DatabaseConnections, DatabaseOptions } from './database.ts';
import { errorCode } from './error-code.ts';
import { PrismaClient } from './generated/postgresql/client.ts';
import { grantToServingRole, migratePostgresql } from './migrate-postgresql.ts';
import { readMigrations } from './migration-files.ts';
import { createPostgresqlStatements } from './statements/postgresql-statements.ts';
import type { Statements } from './statements/statement.ts';

const connectionTimeoutMillis = 10_000;

/** Far longer than any statement of ours takes; one that comes later than this does not come at all. */
const ANSWER_TIMEOUT_MS = 30_000;

type PostgresqlConnections = {
  prisma: PrismaClient;
  statements: Statements;
  connections(): DatabaseConnections;
  disconnect(): Promise<void>;
};

/**
 * Migrates with one URL and opens the other.
 *
 * @param url the serving role's
 * @throws {StartupError} when either cannot be reached, or a migration cannot be applied
 */
export async function openPostgresql(
  url: string,
  { migrateUrl = url, preparesStatements = true, answerTimeoutMs = ANSWER_TIMEOUT_MS }: Omit<DatabaseOptions, 'url'>,
): Promise<PostgresqlConnections> {
  await withConnection('PORTCULLIS_MIGRATE_DATABASE_URL', migrateUrl, async (client) => {
    await migratePostgresql(client, readMigrations('postgresql'));
    const servingRole = userOf(url);
    if (migrateUrl !== url && servingRole !== userOf(migrateUrl)) await grantToServingRole(client, servingRole);
  });
  if (migrateUrl !== url) await withConnection('DATABASE_URL', url, async () => {});
  const pool = new pg.Pool({
    connectionString: url,
    connectionTimeoutMillis,
    keepAlive: true,
    // The other side may be gone without a word, and the network takes a quarter of an hour to say so.
    query_timeout: answerTimeoutMs,
  });
  // A connection that breaks while it is idle reports it here; the next query opens another.
  pool.on('error', () => {});
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool),
    transactionOptions: { maxWait: 10_000, timeout: 10_000 },
  });
  return {
    prisma,
    statements: createPostgresqlStatements(pool, { prepared: preparesStatements }),
    connections: () => connectionsOf(pool),
    disconnect: async () => {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

function connectionsOf({ totalCount, idleCount, waitingCount }: pg.Pool): DatabaseConnections {
  return { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
}

async function withConnection(variable: string, url: string, act: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = await connect(variable, url);
  try {
    await act(client);
  } catch (cause) {
    throw isPgError(cause) ? refused(url, cause) : cause;
  } finally {
    await client.end();
  }
}

async function connect(variable: string, url: string): Promise<pg.Client> {
  const { host } = parseUrl(url);
  const client = createClient(variable, url);
  // A connection that breaks while it is idle reports it here; the next query fails by itself.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (cause) {
    const reason = connectionProblem(cause);
    throw new StartupError(
      `The database at ${host} cannot be opened (${reason}): check that it runs and that DATABASE_URL (${variable}) is right`,
      { cause },
    );
  }
}

/** The driver reads the files that the URL names when a client is made. */
function createClient(variable: string, url: string): pg.Client {
  try {
    return new pg.Client({ connectionString: url, connectionTimeoutMillis });
  } catch (cause) {
    const code = errorCode(cause);
    if (code === undefined || !FILE_ERRORS.has(code)) throw cause;
    throw new StartupError(
      `DATABASE_URL (${variable}) names a file that cannot be read (${code}): correct its sslrootcert, sslcert or sslkey`,
      { cause },
    );
  }
}

const FILE_ERRORS = new Set(['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR']);

function connectionProblem(cause: unknown): string {
  const code = errorCode(cause);
  const reasons: Record<string, string> = {
    '28P01': 'it refuses the user or the password',
    '28000': 'it refuses the user',
    '3D000': 'there is no database of that name',
    '53300': 'it has too many connections',
    '57P03': 'it is still starting',
  };
  return (code && reasons[code]) ?? code ?? 'no answer';
}

function refused(url: string, cause: Error & { code: string }): StartupError {
  const insufficientPrivilege = '42501';
  if (cause.code === insufficientPrivilege) {
    return new StartupError(
      `The database role ${userOf(url)} may not change the tables: set PORTCULLIS_MIGRATE_DATABASE_URL to the role that owns them`,
      { cause },
    );
  }
  return new StartupError(`The database at ${parseUrl(url).host} refused to be migrated (${cause.code})`, { cause });
}

function isPgError(error: unknown): error is Error & { code: string } {
  return error instanceof pg.DatabaseError && typeof error.code === 'string';
}

function userOf(url: string): string {
  return decodeURIComponent(parseUrl(url).username);
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url))
    throw new StartupError('DATABASE_URL is no URL: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE');
  return new URL(url);
}
