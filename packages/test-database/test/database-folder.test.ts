import { rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { expect, test } from '@jest/globals';
import { hasRoom, makeDatabaseFolder } from '../src/database-folder.ts';

const TMPFS = 0x0102_1994;
const EXT4 = 0xef53;

test.each([
  ['a gigabyte in memory', { type: TMPFS, bavail: 2 ** 18, bsize: 4096 }, true],
  ['the 64 MB of a container', { type: TMPFS, bavail: 2 ** 14, bsize: 4096 }, false],
  ['a disk', { type: EXT4, bavail: 2 ** 30, bsize: 4096 }, false],
  ['nothing', undefined, false],
])('%s: databases go there: %#', (_, system, expected) => {
  expect(hasRoom(system)).toBe(expected);
});

test('each folder is another one, and nobody else can look into it', () => {
  const folders = [makeDatabaseFolder('portcullis-test-'), makeDatabaseFolder('portcullis-test-')];
  expect(new Set(folders).size).toBe(2);
  for (const folder of folders) {
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    rmSync(folder, { recursive: true });
  }
});

test('what is to be durable goes where temporary files go', () => {
  const folder = makeDatabaseFolder('portcullis-test-', { durable: true });
  expect(dirname(folder)).toBe(tmpdir());
  rmSync(folder, { recursive: true });
});
