import { join } from 'node:path';
import { type Clock, type Logger, lockFolder, type Secret, StartupError } from '@portcullis/platform';
import { doneInSpan } from '@portcullis/platform/watching';
import { type Dialect, Kysely, type LogEvent } from 'kysely';
import { type DeskStore, deskStore } from './desk-store.ts';
import { type DatabaseKind, migrate } from './migrations.ts';
import { postgresqlDialect } from './postgresql-dialect.ts';
import { proofStore } from './proof-store.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import type { DeskTables } from './tables.ts';

/** Where the desk's tables live. */
export type StoreOptions = {
  /** SQLite's file, `mcp-server.sqlite`, is created here when there is no `databaseUrl`. */
  dataDir: string;
  /** A `postgresql://` URL. */
  databaseUrl: Secret | undefined;
};

/**
 * Opens the desk's database, creates its tables and fills them at the first start.
 * SQLite's file belongs to one process at a time; with PostgreSQL nothing of the desk is in the folder.
 * @throws {StartupError} when the database cannot be reached or its tables cannot be brought up to date.
 */
export async function openStore(options: StoreOptions, deps: { logger: Logger; now: Clock }): Promise<DeskStore> {
  const kind: DatabaseKind = options.databaseUrl ? 'postgresql' : 'sqlite';
  const opened = new AsyncDisposableStack();
  try {
    if (kind === 'sqlite') {
      const lock = lockFolder(options.dataDir, 'mcp-server');
      opened.defer(() => lock.release());
    }
    const { dialect, connections } = dialectFor(options, deps.logger);
    const db = new Kysely<DeskTables>({ dialect, log: (event) => traceQuery(kind, event) });
    opened.defer(() => db.destroy());
    await migrate(db, { kind, now: deps.now() });
    const open = opened.move();
    const proofs = kind === 'postgresql' ? proofStore(db, deps.logger) : undefined;
    return deskStore(db, { proofs, connections, close: () => open.disposeAsync() });
  } catch (cause) {
    await opened.disposeAsync();
    if (cause instanceof StartupError) throw cause;
    deps.logger.debug({ err: cause }, 'the database could not be opened');
    throw new StartupError(explain(kind, options.dataDir, cause), { cause });
  }
}

type Opened = { dialect: Dialect; connections: DeskStore['connections'] };

function dialectFor({ databaseUrl, dataDir }: StoreOptions, logger: Logger): Opened {
  if (databaseUrl) return postgresqlDialect(databaseUrl, logger);
  return { dialect: sqliteDialect(sqliteFile(dataDir)), connections: () => undefined };
}

/** Where the desk's SQLite database lies in a data folder. */
export function sqliteFile(dataDir: string): string {
  return join(dataDir, 'mcp-server.sqlite');
}

/** Says what kind of statement it was and how long it took, never its text. */
function traceQuery(kind: DatabaseKind, { level, query, queryDurationMillis }: LogEvent): void {
  const operation = query.query.kind.replace(/Node$/, '');
  doneInSpan(
    { name: 'database query', attributes: { 'db.system.name': kind, 'db.operation.name': operation } },
    { durationMs: queryDurationMillis, failed: level === 'error' },
  );
}

/** Names the database's own code (`ECONNREFUSED`, `28P01`), never its URL, which carries a password. */
function explain(kind: DatabaseKind, dataDir: string, cause: unknown): string {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? ` (${String(cause.code)})` : '';
  return kind === 'postgresql'
    ? `The MCP server's database cannot be used${code}. Start it, or correct PORTCULLIS_MCP_DATABASE_URL.`
    : `The MCP server's database in ${dataDir} cannot be used${code}. Check the folder, or set PORTCULLIS_DATA_DIR to another one.`;
}
