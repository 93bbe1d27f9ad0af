import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';

const here = (path: string) => new URL(path, import.meta.url);
const blocks = async () => [
  ...(await readFile(here('../README.md'), 'utf8')).matchAll(/```ts example=(\S+)\n(.*?)```/gs),
];

// The examples are compiled with the tests and run by them, so what the README shows works.
test('the README shows the examples as they are', async () => {
  for (const [, name, text] of await blocks()) {
    expect([name, text]).toEqual([name, await readFile(here(`examples/${name}.ts`), 'utf8')]);
  }
});

test('the README shows every example', async () => {
  const shown = (await blocks()).map(([, name]) => `${name}.ts`);
  expect(shown.sort()).toEqual((await readdir(here('examples'))).sort());
});
