import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { recordedClients } from '../src/recorded-clients/all.ts';
import { NOT_OURS, RULES, requirements } from '../src/requirements.ts';

const root = new URL('../../../', import.meta.url);
const folders = [
  'scripts/test/',
  ...['platform', 'persistence', 'guard', 'testkit'].map((name) => `packages/${name}/test/`),
].concat(['authorization-server', 'mcp-server', 'admin-cli'].map((name) => `apps/${name}/test/`));

async function titles(...among: readonly string[]): Promise<string> {
  const files = await Promise.all(among.map(testsBelow));
  const texts = await Promise.all(files.flat().map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) => [...text.matchAll(/^.*$/gm)].map(([line]) => line).filter(isTitle)).join('\n');
}

async function testsBelow(folder: string): Promise<string[]> {
  const at = fileURLToPath(new URL(folder, root));
  if (!existsSync(at)) return [];
  const entries = await readdir(at, { recursive: true });
  return entries.filter((name) => /\.test\.(ts|mjs)$/.test(name)).map((name) => join(at, name));
}

/** A line that holds a title, or the row of a table of titles; comments are none. */
function isTitle(line: string): boolean {
  return /['`](?:[^'`]*[^\w'`])?(?:RS|TR|AS|CL|PX|EX|SP)-\d+/.test(line) && !/^\s*(?:\/\/|\*|\/\*)/.test(line);
}

const stands = (id: string, text: string) => new RegExp(`\\b${id}\\b`).test(text);

test('every rule has a test with its number in the title, but for those that are named as not ours', async () => {
  const recorded = recordedClients.map(({ requirements: numbers }) => numbers);
  const text = [await titles(...folders), ...recorded].join('\n');
  expect(RULES.filter((id) => !stands(id, text) && !Object.hasOwn(NOT_OURS, id))).toEqual([]);
  expect(Object.keys(NOT_OURS).filter((id) => stands(id, text) || !RULES.includes(id))).toEqual([]);
});

test('every requirement of the guard has a test with its id in the title', async () => {
  const text = await titles('packages/guard/test/');
  const untested = requirements.filter(({ id, of }) => of === 'guard' && !stands(id, text));
  expect(untested).toEqual([]);
});

test('the list is whole, and each id stands in it once', () => {
  const ids = requirements.map(({ id }) => id);
  const upTo = (prefix: string, last: number) => Array.from({ length: last }, (_, index) => `${prefix}-${index + 1}`);
  expect(ids).toEqual([...upTo('RS', 35), ...upTo('TR', 28)]);
});
