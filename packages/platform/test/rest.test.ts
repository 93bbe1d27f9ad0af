import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { type Rest, worthCollecting } from '../src/rest.ts';

const MB = 2 ** 20;
const resting: Rest = { newObjectsBytes: 40 * MB, quietLooks: 1, hasRested: false, grownBytes: 0 };
const loaded: Rest = { newObjectsBytes: 0, quietLooks: 60, hasRested: true, grownBytes: 48 * MB };

test.each<[what: string, Rest, ReturnType<typeof worthCollecting>]>([
  ['everything at the first rest', resting, 'all'],
  ['new objects at a later one that is long', { ...resting, quietLooks: 10, hasRested: true }, 'new'],
  ['nothing in a pause between requests', { ...resting, quietLooks: 9, hasRested: true }, undefined],
  ['nothing while there is work', { ...resting, quietLooks: 0 }, undefined],
  ['everything at a later one of a minute, where much came together', loaded, 'all'],
  ['no longer everything where less did', { ...loaded, newObjectsBytes: 40 * MB, grownBytes: 47 * MB }, 'new'],
  ['nothing in a shorter one, however much came together', { ...loaded, quietLooks: 59 }, undefined],
  [
    'nothing where little would come of it',
    { ...resting, newObjectsBytes: MB, quietLooks: 10, hasRested: true },
    undefined,
  ],
])('what is worth collecting: %s', (_what, rest, expected) => {
  expect(worthCollecting(rest)).toBe(expected);
});

test('a process that was busy gives its memory back when it rests, keeps what it needs, and ends when it has nothing to do', async () => {
  const script = fileURLToPath(new URL('./support/busy-then-at-rest.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', script]);
  const { busy, first, breathing, later, kept, loaded, rested, seesCollector } = JSON.parse(stdout);
  expect(busy).toBeGreaterThan(40);
  expect(first).toBeLessThan(4);
  expect(breathing).toBeGreaterThan(16);
  expect(breathing).toBeLessThan(80);
  expect(later).toBeLessThan(4);
  expect(kept).toBe(200_000);
  // What was loaded once is nobody's any more: its pages are the system's again, not the process's.
  expect(loaded).toBeGreaterThan(100);
  expect(rested).toBeLessThan(loaded / 2);
  expect(seesCollector).toBe(false);
});
