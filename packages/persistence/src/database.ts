import { StartupError } from '@portcullis/platform';
import { Prisma, type PrismaClient } from './generated/postgresql/client.ts';
import { openPostgresql } from './postgresql.ts';
import { createLocalSignal, createPostgresqlSignal, type RevocationSignal } from './revocation-signal.ts';
import { openSqlite } from './sqlite.ts';

/** An open, migrated database. */
export type Database = {
  readonly kind: 'sqlite' | 'postgresql';
  readonly prisma: PrismaClient;
  /** Whether what is done here is part of a transaction that is open. */
  readonly isTransaction: boolean;
  /** Tells who waits for revocations that there may be new ones. */
  readonly revocationSignal: RevocationSignal;
  /** Resolves when the database answers; rejects with the driver's error when it does not. */
  ready(): Promise<void>;
  /** Ends all connections. The database cannot be used afterwards. */
  close(): Promise<void>;
};

export type DatabaseOptions = {
  /** `file:` with an absolute path, or `postgresql://`. Build the first with `pathToFileURL`. */
  url: string;
  /** PostgreSQL only: the role that owns the tables, when the serving role does not. It grants the serving role what it needs. */
  migrateUrl?: string;
};

/**
 * Opens the database and applies the migrations that it lacks.
 *
 * @throws {StartupError} when it cannot be reached, a migration was changed or fails, or a newer version has migrated it;
 *   no message holds the URL's password
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { kind, prisma } = await connect(options);
  const revocationSignal = kind === 'sqlite' ? createLocalSignal() : createPostgresqlSignal(options.url);
  return {
    kind,
    prisma,
    isTransaction: false,
    revocationSignal,
    ready: async () => {
      await prisma.$queryRaw`SELECT 1`;
    },
    close: async () => {
      await revocationSignal.close();
      await prisma.$disconnect();
    },
  };
}

async function connect({ url, migrateUrl }: DatabaseOptions): Promise<Pick<Database, 'kind' | 'prisma'>> {
  if (url.startsWith('file:')) return { kind: 'sqlite', prisma: await openSqlite(url) };
  if (/^postgres(ql)?:\/\//.test(url))
    return { kind: 'postgresql', prisma: await openPostgresql(url, migrateUrl ?? url) };
  throw new StartupError('DATABASE_URL must begin with postgresql:// (leave it out for SQLite)');
}

/** Whether a write failed because a row with the same key is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2002';
}

/**
 * Whether a transaction was given up because another one wrote what it had read: doing it over is right.
 * Prisma names it P2034 where a statement fails; where the commit itself does, the driver's own error comes through.
 */
export function isWriteConflict(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientKnownRequestError) return error.code === 'P2034';
  const cause: unknown = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'kind' in cause && cause.kind === 'TransactionWriteConflict';
}
