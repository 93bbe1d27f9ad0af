import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditChain } from '@portcullis/persistence';
import { type ChainPosition, chainBreak } from '@portcullis/platform';

/** What becomes a file: the records behind a place in the chain, up to a number. */
export type SegmentRange = { behind: ChainPosition; lastSeq: number };

/** A written segment; `discard` removes it, where its records are not removed from the database after all. */
export type SegmentFile = { path: string; discard(): Promise<void> };

const PAGE = 500;

/**
 * Writes records into `audit-segments/<first>-<last>.jsonl` below the data folder, one line of JSON for each, and a
 * signed statement about the last one. The file is whole and on the disk when this resolves.
 *
 * @param sign signs for the place of the last record
 * @throws {Error} when the chain is broken there: what cannot be verified is not moved
 */
export async function writeSegment(
  { behind, lastSeq }: SegmentRange,
  { chain, folder, sign }: { chain: AuditChain; folder: string; sign(last: ChainPosition): Promise<string> },
): Promise<SegmentFile & { last: ChainPosition; statement: string }> {
  const segments = join(folder, 'audit-segments');
  await mkdir(segments, { recursive: true, mode: 0o700 });
  await discardUnfinished(segments, behind.seq + 1);
  const path = join(segments, `${behind.seq + 1}-${lastSeq}.jsonl`);
  const partial = `${path}.partial`;
  const file = await open(partial, 'w', 0o600);
  let last = behind;
  let statement: string;
  try {
    while (last.seq < lastSeq) {
      const records = await chain.list({ after: last.seq, limit: Math.min(PAGE, lastSeq - last.seq) });
      if (records.length === 0) throw broken(last.seq + 1, 'missing');
      for (const record of records) {
        const problem = chainBreak(last, record);
        if (problem) throw broken(record.seq, problem);
        last = { seq: record.seq, hash: record.hash };
      }
      await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
    statement = await sign(last);
    await file.appendFile(`${JSON.stringify({ segment: statement })}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
  await syncFolder(segments);
  return { path, last, statement, discard: () => rm(path, { force: true }) };
}

/** A process may have died between the file and the database; what is still in the database is written anew. */
async function discardUnfinished(segments: string, firstSeq: number): Promise<void> {
  const left = (await readdir(segments)).filter((name) => name.startsWith(`${firstSeq}-`));
  for (const name of left) await rm(join(segments, name));
}

function broken(seq: number, problem: string): Error {
  return new Error(`the audit trail is broken at record ${seq} (${problem}); nothing was moved out`);
}

/** A new name is on the disk once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
