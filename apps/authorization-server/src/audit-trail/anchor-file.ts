import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@portcullis/platform';
import { z } from 'zod';

/** Anchors beside the database: one line of JSON for each, which nothing here ever changes. */
export type AnchorFile = {
  /** Resolves when the anchor is on the disk. */
  append(anchor: string): Promise<void>;
  /** The newest anchor that can be read among the last hundred or so; undefined for none. */
  last(): Promise<string | undefined>;
};

/** Room for a hundred anchors or so. The file grows for ever, so it is not read as a whole. */
const END_BYTES = 65_536;

const lineSchema = z.object({ anchor: z.string() });

/** The file `audit-anchors.jsonl` in the data folder; each replica has its own. */
export function anchorFile(folder: string): AnchorFile {
  const path = join(folder, 'audit-anchors.jsonl');
  return {
    async append(anchor) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await open(path, 'a', 0o600);
      try {
        // A line feed first: the power may have gone in the middle of the line before.
        await file.appendFile(`\n${JSON.stringify({ anchor })}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    },
    async last() {
      return (await readEnd(path))
        .split('\n')
        .map(readLine)
        .findLast((anchor) => anchor !== undefined);
    },
  };
}

/** What it begins with may be a part of a line, which is no anchor. */
async function readEnd(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw cause;
  });
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const position = Math.max(0, size - END_BYTES);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(END_BYTES), position });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function readLine(line: string): string | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data?.anchor;
  } catch {
    return undefined;
  }
}
