import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { anchorFile } from '../src/audit-trail/anchor-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-anchors-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Changes the file beside the server. */
async function change(o: { size?: number; end?: string }): Promise<void> {
  const file = await open(join(folder, 'audit-anchors.jsonl'), 'a');
  if (o.size !== undefined) await file.truncate(o.size);
  await file.appendFile(o.end ?? '');
  await file.close();
}

test('SP-37: the newest anchor is the last whole line, and none where there is no file', async () => {
  const anchors = anchorFile(folder);
  expect(await anchors.last()).toBeUndefined();
  for (const anchor of ['first', 'second']) await anchors.append(anchor);
  expect(await anchors.last()).toBe('second');
  await change({ end: '\n{"anchor":"thi' });
  expect(await anchors.last()).toBe('second');
  await anchors.append('fourth');
  expect(await anchors.last()).toBe('fourth');
});

test('SP-37: a file that has grown beyond what one read can hold does not keep a server from starting', async () => {
  const anchors = anchorFile(folder);
  await anchors.append('first');
  // A hole: it takes no place on the disk.
  await change({ size: 3 * 2 ** 30 });
  await anchors.append('last');
  expect(await anchors.last()).toBe('last');
});
