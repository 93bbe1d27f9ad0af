import {
  appendFileSync,
  closeSync,
  fdatasync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type FolderLock, lockFolder, StartupError } from '@portcullis/platform';

/** Records that wait to be sent, in files that outlive the process. */
export type Spool = {
  /**
   * Hands a line to the operating system, so that it outlives the process from then on; within a second it is on the
   * disk. False where there is no place for it. @throws a fault where it cannot be written
   *
   * @param mayUseReserve for a call that has begun; nothing else is written while the spool is full
   */
  append(line: string, options: { mayUseReserve: boolean }): boolean;
  /** Whether there is place in the reserve alone. No call may begin then. */
  isFull(): boolean;
  /** How much waits, and for how long the oldest of it has. */
  waiting(): AuditWaiting;
  /** The oldest file that has lines; nothing is added to it any more. */
  oldest(): SpoolFile | undefined;
  /** Forgets a file whose lines were all taken. */
  remove(file: SpoolFile): void;
  /**
   * Forgets a file, but for the lines that were refused: those are kept for a person to look at, up to 4 MiB in all, and
   * are not counted as waiting. False where they were too many to keep.
   */
  setAside(file: SpoolFile, refused: readonly string[]): boolean;
  close(): void;
};

/** What of the audit trail waits to be sent. */
export type AuditWaiting = { bytes: number; oldestAgeSeconds: number };

/** One file of the spool. */
export type SpoolFile = { path: string; lines: readonly string[] };

const FILE_BYTES = 262_144;
const REFUSED_BYTES = 4 * 1024 * 1024;
const SYNC_INTERVAL_MS = 1000;
/** So many processes may share a folder. */
const MOST_SLOTS = 64;

/**
 * Opens the spool of this process below `folder`: the first one there that no other process has. What a process that
 * died left in it is sent by whoever has it now.
 *
 * @param limitBytes how much may wait
 * @param reserveBytes how much more is kept for the records of calls that have begun
 * @throws {StartupError} when the folder cannot be written
 */
export function openSpool(
  folder: string,
  { limitBytes, reserveBytes }: { limitBytes: number; reserveBytes: number },
): Spool {
  const { path, lock } = takeSlot(folder);
  adopt(folder, path);
  let next = 1 + Math.max(0, ...filesOf(path).map(({ number }) => number));
  let waitingBytes = bytesIn(path, '.jsonl');
  let open: { path: string; fd: number; bytes: number } | undefined;
  let unsynced = false;

  const roll = () => {
    if (open) closeSync(open.fd);
    open = undefined;
  };
  const current = () => {
    if (open && open.bytes >= FILE_BYTES) roll();
    if (!open) {
      const file = join(path, fileName(next));
      open = { path: file, fd: openSync(file, 'wx', 0o600), bytes: 0 };
      next += 1;
    }
    return open;
  };
  const remove = (file: SpoolFile) => {
    waitingBytes -= statSync(file.path).size;
    unlinkSync(file.path);
  };
  const syncing = setInterval(() => {
    if (!open || !unsynced) return;
    unsynced = false;
    // What fails now fails at the next line too, and is told there.
    fdatasync(open.fd, () => undefined);
  }, SYNC_INTERVAL_MS).unref();

  return {
    append(line, { mayUseReserve }) {
      const bytes = Buffer.from(`${line}\n`);
      if (waitingBytes + bytes.length > limitBytes + (mayUseReserve ? reserveBytes : 0)) return false;
      const file = current();
      const written = writeSync(file.fd, bytes);
      file.bytes += written;
      waitingBytes += written;
      unsynced = true;
      if (written === bytes.length) return true;
      // A disk that fills up takes a part of a line, which must not become the beginning of the next one.
      roll();
      throw new Error('the audit spool could not be written');
    },
    isFull: () => waitingBytes >= limitBytes,
    waiting: () => ({ bytes: waitingBytes, oldestAgeSeconds: ageOfOldest(path) }),
    oldest() {
      const [first] = filesOf(path);
      if (!first) return undefined;
      if (first.path === open?.path) roll();
      const lines = readFileSync(first.path, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      return { path: first.path, lines };
    },
    remove,
    setAside(file, refused) {
      const lines = Buffer.from(refused.map((line) => `${line}\n`).join(''));
      const isKept = bytesIn(path, '.refused') + lines.length <= REFUSED_BYTES;
      if (isKept) appendFileSync(`${file.path}.refused`, lines, { mode: 0o600 });
      remove(file);
      return isKept;
    },
    close() {
      clearInterval(syncing);
      roll();
      lock.release();
    },
  };
}

/** A file is made with its first line. Not every file system knows when that was; then its last line tells the least. */
function ageOfOldest(path: string): number {
  const [first] = filesOf(path);
  if (!first) return 0;
  const { birthtimeMs, mtimeMs } = statSync(first.path);
  return Math.max(0, Date.now() - (birthtimeMs || mtimeMs)) / 1000;
}

function takeSlot(folder: string): { path: string; lock: FolderLock } {
  for (let slot = 0; slot < MOST_SLOTS; slot++) {
    const path = join(folder, String(slot));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = lockIfFree(path);
    if (lock) return { path, lock };
  }
  throw new StartupError(`The data folder ${folder} cannot be written, or too many processes share it.`);
}

/** Takes over what processes left that are no longer started: nobody else may ever have their slot again. */
function adopt(folder: string, own: string): void {
  let next = 1 + Math.max(0, ...filesOf(own).map(({ number }) => number));
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (path === own || !/^\d+$/.test(name) || filesOf(path).length === 0) continue;
    const lock = lockIfFree(path);
    if (!lock) continue;
    for (const file of filesOf(path)) renameSync(file.path, join(own, fileName(next++)));
    lock.release();
  }
}

function lockIfFree(path: string): FolderLock | undefined {
  try {
    return lockFolder(path, 'spool');
  } catch (cause) {
    if (cause instanceof StartupError) return undefined;
    throw cause;
  }
}

function fileName(number: number): string {
  return `${String(number).padStart(12, '0')}.jsonl`;
}

function filesOf(path: string): { path: string; number: number }[] {
  return readdirSync(path)
    .filter((name) => /^\d{12}\.jsonl$/.test(name))
    .sort()
    .map((name) => ({ path: join(path, name), number: Number(name.slice(0, 12)) }));
}

function bytesIn(path: string, ending: '.jsonl' | '.refused'): number {
  const names = readdirSync(path).filter((name) => name.endsWith(ending));
  return names.reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}
