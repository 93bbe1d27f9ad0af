import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Linux keeps a file system in memory. */
const IN_MEMORY = '/dev/shm';

/** What statfs(2) says of such a file system: TMPFS_MAGIC. */
const TMPFS = 0x0102_1994;

/** Many times what the suites that run at one moment write; containers often give it 64 MB. */
const ROOM_BYTES = 2 ** 30;

/** What is there of a file system, as `statfsSync` tells it. */
export type FileSystem = { readonly type: number; readonly bavail: number; readonly bsize: number };

/**
 * Makes a folder for a test's databases: in memory where there is such a file system with a gigabyte to spare, else where
 * temporary files go. Tests commit thousands of times, and each commit waits for the disk; what is written survives a
 * killed process in either. `durable` asks for the disk. It is the caller's to remove.
 */
export function makeDatabaseFolder(prefix: string, { durable = false } = {}): string {
  if (!durable && hasRoom(inMemory())) {
    try {
      return mkdtempSync(join(IN_MEMORY, prefix));
    } catch {
      // It is not ours to write.
    }
  }
  return mkdtempSync(join(tmpdir(), prefix));
}

/** Whether a file system is in memory and takes a run's databases. */
export function hasRoom(system: FileSystem | undefined): boolean {
  return system?.type === TMPFS && system.bavail * system.bsize >= ROOM_BYTES;
}

function inMemory(): FileSystem | undefined {
  try {
    return statfsSync(IN_MEMORY);
  } catch {
    return undefined;
  }
}
