import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { requirements } from '../src/requirements.ts';

const tests = new URL('../../guard/test/', import.meta.url);
async function titles(): Promise<string> {
  const files = (await readdir(tests)).filter((name) => name.endsWith('.test.ts'));
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, tests), 'utf8')));
  return texts.flatMap((text) => [...text.matchAll(/^.*$/gm)].map(([line]) => line).filter(isTitle)).join('\n');
}

/** A line that holds a title, or the row of a table of titles; comments are none. */
function isTitle(line: string): boolean {
  return /['`](?:[^'`]*[^\w'`])?(?:RS|TR)-\d+\b/.test(line) && !/^\s*(?:\/\/|\*|\/\*)/.test(line);
}

test('every requirement of the guard has a test with its id in the title', async () => {
  const text = await titles();
  const untested = requirements.filter(({ id, of }) => of === 'guard' && !new RegExp(`\\b${id}\\b`).test(text));
  expect(untested).toEqual([]);
});

test('the list is whole, and each id stands in it once', () => {
  const ids = requirements.map(({ id }) => id);
  const upTo = (prefix: string, last: number) => Array.from({ length: last }, (_, index) => `${prefix}-${index + 1}`);
  expect(ids).toEqual([...upTo('RS', 35), ...upTo('TR', 28)]);
});
