import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartupError } from './startup-error.ts';

/** A lock that this process holds until it releases it or dies. */
export type FolderLock = { release(): void };

/**
 * Takes the lock `name` in `folder`, which is created (mode 0700) when it is missing.
 *
 * SQLite's exclusive lock is the operating system's own: it ends with the process, however that dies,
 * so that the next start after a `kill -9` never meets a stale lock file.
 *
 * @throws {StartupError} when another process holds the lock, or the folder cannot be written.
 */
export function lockFolder(folder: string, name: string): FolderLock {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    database = new DatabaseSync(join(folder, `${name}.lock`));
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    throw new StartupError(explain(folder, cause), { cause });
  }
  const lock = database;
  held.add(lock);
  return {
    release() {
      held.delete(lock);
      lock.close();
    },
  };
}

/** A connection that nobody refers to is collected as garbage, and its lock with it. */
const held = new Set<DatabaseSync>();

const SQLITE_BUSY = 5;

function explain(folder: string, cause: unknown): string {
  const busy = typeof cause === 'object' && cause !== null && 'errcode' in cause && cause.errcode === SQLITE_BUSY;
  return busy
    ? `The data folder ${folder} is in use by another process. Stop that process, or set PORTCULLIS_DATA_DIR to another folder.`
    : `The data folder ${folder} cannot be written. Check its permissions, or set PORTCULLIS_DATA_DIR to another folder.`;
}
