import { type AuditEvent, StartupError } from '@portcullis/platform';
import pg from 'pg';
import { errorCode } from './error-code.ts';
import { Prisma, type PrismaClient } from './generated/postgresql/client.ts';
import { newestMigration } from './migration-files.ts';
import { openPostgresql } from './postgresql.ts';
import { createLocalSignal, createPostgresqlSignal, type RevocationSignal } from './revocation-signal.ts';
import { openSqlite } from './sqlite.ts';
import { isBusy, isSqliteError } from './sqlite-connection.ts';
import type { Statements } from './statements/statement.ts';

/** An open, migrated database. */
export type Database = {
  readonly kind: 'sqlite' | 'postgresql';
  readonly prisma: PrismaClient;
  /** What every token request asks, written by hand. */
  readonly statements: Statements;
  /** Whether what is done here is part of a transaction that is open. */
  readonly isTransaction: boolean;
  /** How long ago the transaction that is open was begun the first time, waits and attempts included; 0 where none is. */
  elapsedMs(): number;
  /** Tells who waits for revocations that there may be new ones. */
  readonly revocationSignal: RevocationSignal;
  /** Told of each audit event once it is durable; put another one in place to hear of them. */
  readonly noteRecorded: (event: AuditEvent) => void;
  /** How its connections are used; undefined for SQLite, which has one. */
  connections(): DatabaseConnections | undefined;
  /** Resolves when the database answers; rejects with the driver's error when it does not. */
  ready(): Promise<void>;
  /** Whether it has had every migration of this version. Rejects with the driver's error when it does not answer. */
  isMigrated(): Promise<boolean>;
  /** Ends all connections. The database cannot be used afterwards. */
  close(): Promise<void>;
};

/** Connections of a pool: those that are used, those that are not, and who waits for one. */
export type DatabaseConnections = { busy: number; idle: number; waiting: number };

export type DatabaseOptions = {
  /** `file:` with an absolute path, or `postgresql://`. Build the first with `pathToFileURL`. */
  url: string;
  /** PostgreSQL only: the role that owns the tables, when the serving role does not. It grants the serving role what it needs. */
  migrateUrl?: string;
  /** PostgreSQL only: whether connections keep prepared statements, which not every pooler in front can do. Default true. */
  preparesStatements?: boolean;
  /** PostgreSQL only: after how long without an answer a connection is given up, in milliseconds. Default 30,000. */
  answerTimeoutMs?: number;
};

/**
 * Opens the database and applies the migrations that it lacks.
 *
 * @throws {StartupError} when it cannot be reached, a migration was changed or fails, or a newer version has migrated it;
 *   no message holds the URL's password
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { kind, prisma, statements, connections, disconnect } = await connect(options);
  const newest = newestMigration(kind);
  const revocationSignal = kind === 'sqlite' ? createLocalSignal() : createPostgresqlSignal(options.url);
  return {
    kind,
    prisma,
    statements,
    isTransaction: false,
    elapsedMs: () => 0,
    revocationSignal,
    noteRecorded: () => undefined,
    connections,
    ready: async () => {
      await prisma.$queryRaw`SELECT 1`;
    },
    isMigrated: async () => {
      const [row] = await prisma.$queryRaw<{ done: bigint }[]>`
        SELECT count(*) AS "done" FROM "_prisma_migrations"
        WHERE "migration_name" = ${newest} AND "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL`;
      return Number(row?.done) > 0;
    },
    close: async () => {
      await revocationSignal.close();
      await disconnect();
    },
  };
}

type Connected = Pick<Database, 'kind' | 'prisma' | 'statements' | 'connections'> & { disconnect(): Promise<void> };

async function connect({ url, ...options }: DatabaseOptions): Promise<Connected> {
  if (url.startsWith('file:')) return { kind: 'sqlite', ...(await openSqlite(url)), connections: () => undefined };
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: 'postgresql', ...(await openPostgresql(url, options)) };
  throw new StartupError('DATABASE_URL must begin with postgresql:// (leave it out for SQLite)');
}

/** Whether a write failed because a row with the same key is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';
}

/** PostgreSQL's serialization_failure and deadlock_detected. */
const CONFLICTS = new Set(['40001', '40P01']);

/**
 * Whether a transaction was given up because another one wrote what it had read: doing it over is right.
 * Prisma names it P2034 where a statement of its own fails, and has the database's code where one of ours does; outside of its
 * transactions, and where the commit itself fails, the driver's own error comes through.
 */
export function isWriteConflict(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientKnownRequestError)
    return error.code === 'P2034' || CONFLICTS.has(sqlStateOf(error) ?? '');
  if (error instanceof pg.DatabaseError) return error.code !== undefined && CONFLICTS.has(error.code);
  return member(member(error, 'cause'), 'kind') === 'TransactionWriteConflict';
}

/** Prisma's codes for a database that cannot be reached, does not answer in time, or has no connection to spare. */
const UNAVAILABLE = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037']);

/** PostgreSQL's error classes for the same: connection exception, insufficient resources, operator intervention. */
const UNAVAILABLE_CLASSES = ['08', '53', '57'];

/** read_only_sql_transaction: what was the primary server is a standby now, and another one takes writes. */
const READ_ONLY = '25006';

function saysUnavailable(sqlState: string): boolean {
  return UNAVAILABLE_CLASSES.includes(sqlState.slice(0, 2)) || sqlState === READ_ONLY;
}

/**
 * Whether a request failed because the database is away for a while, and not because of what was asked of it: then the
 * same request may succeed a little later. An error that does not tell is judged by whether the database answers now.
 */
export async function isUnavailable(database: Pick<Database, 'ready'>, cause: unknown): Promise<boolean> {
  if (cause instanceof Prisma.PrismaClientKnownRequestError) {
    if (UNAVAILABLE.has(cause.code)) return true;
    const state = sqlStateOf(cause);
    if (state !== undefined) return saysUnavailable(state);
  }
  if (isSqliteError(cause)) return isBusy(cause);
  if (cause instanceof pg.DatabaseError && cause.code !== undefined) return saysUnavailable(cause.code);
  if (LOST_CONNECTION.has(errorCode(cause) ?? '') || isTerminated(cause)) return true;
  return database.ready().then(
    () => false,
    () => true,
  );
}

/** What Node.js says of a connection that is not there, or no more. */
const LOST_CONNECTION = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

/** PostgreSQL's driver has no code for a connection that ended while a statement ran, or that said nothing for too long. */
function isTerminated(cause: unknown): boolean {
  return cause instanceof Error && /^(Connection terminated|Query read timeout)/.test(cause.message);
}

function sqlStateOf({ meta }: Prisma.PrismaClientKnownRequestError): string | undefined {
  const state = member(member(member(meta, 'driverAdapterError'), 'cause'), 'originalCode');
  return typeof state === 'string' ? state : undefined;
}

/** A member that may not be there, of a value that may be no object. */
function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
