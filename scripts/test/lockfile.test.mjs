import { expect, test } from '@jest/globals';
import { foreignAddresses } from '../check/lockfile.mjs';
import { readJson } from '../prepare/root.mjs';

const lock = (entry) => ({ packages: { 'node_modules/koa': { version: '3.3.0', integrity: 'sha512-a', ...entry } } });

test('the lockfile names no address, and a checksum for every package', () => {
  expect(foreignAddresses(readJson('package-lock.json'))).toEqual([]);
});

test.each([
  { resolved: 'https://registry.example/koa.tgz' },
  { resolved: 'git+ssh://host/koa.git' },
  { integrity: undefined },
])('a lockfile with %p is refused', (entry) => {
  expect(foreignAddresses(lock(entry))).toHaveLength(1);
});
