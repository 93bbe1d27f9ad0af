import { describe, expect, test } from '@jest/globals';
import { lockfileProblems } from '../check/lockfile.mjs';
import { readJson } from '../prepare/root.mjs';

const koa = { version: '3.3.0', integrity: 'sha512-a' };
const lock = (entry, others) => ({ packages: { 'node_modules/koa': { ...koa, ...entry }, ...others } });

test('our lockfile serves everywhere', () => {
  expect(lockfileProblems(readJson('package-lock.json'))).toEqual([]);
});

describe('refused in a lockfile', () => {
  test.each([
    { resolved: 'https://registry.example/koa.tgz' },
    { resolved: 'git+ssh://host/koa.git' },
    { integrity: undefined },
  ])('an entry with %p', (entry) => {
    expect(lockfileProblems(lock(entry))).toHaveLength(1);
  });

  test('another platform’s package that is missing, or has no version', () => {
    const native = { optionalDependencies: { '@koa/darwin': '3.3.0' } };
    expect(lockfileProblems(lock(native))).toHaveLength(1);
    const nested = 'node_modules/koa/node_modules/@koa/darwin';
    expect(lockfileProblems(lock(native, { [nested]: { integrity: 'sha512-b' } }))).toHaveLength(1);
    expect(lockfileProblems(lock(native, { [nested]: koa }))).toEqual([]);
  });
});
