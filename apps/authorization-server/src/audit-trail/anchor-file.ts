import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@portcullis/platform';
import { z } from 'zod';

/** Anchors beside the database: one line of JSON for each, which nothing here ever changes. */
export type AnchorFile = {
  /** Resolves when the anchor is on the disk. */
  append(anchor: string): Promise<void>;
  /** The newest anchor that can be read; undefined for none. */
  last(): Promise<string | undefined>;
};

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
      const text = await readFile(path, 'utf8').catch((cause: unknown) => {
        if (errorCode(cause) === 'ENOENT') return '';
        throw cause;
      });
      return text
        .split('\n')
        .map(readLine)
        .findLast((anchor) => anchor !== undefined);
    },
  };
}

function readLine(line: string): string | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data?.anchor;
  } catch {
    return undefined;
  }
}
