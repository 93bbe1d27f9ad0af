import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { lockfileProblems } from '../check/lockfile.mjs';
import { inRoot, readJson } from '../prepare/root.mjs';

const koa = { version: '3.3.0', integrity: 'sha512-a' };
const lock = (entry, others) => ({ packages: { 'node_modules/koa': { ...koa, ...entry }, ...others } });

test('SP-42: our lockfile pins every package by its hash, and serves everywhere', () => {
  expect(lockfileProblems(readJson('package-lock.json'))).toEqual([]);
});

test('SP-42: a bill of materials is made of it, which names every package by its hash', () => {
  const args = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--offline'];
  const made = spawnSync('npm', args, { cwd: inRoot('.'), encoding: 'utf8' });
  expect({ status: made.status, problems: made.status === 0 ? '' : made.stderr }).toEqual({ status: 0, problems: '' });
  const { components } = JSON.parse(made.stdout);
  const named = components.filter(({ purl }) => purl.startsWith('pkg:npm/')).map(({ name }) => name);
  expect(named).toEqual(expect.arrayContaining(['koa', 'jose', 'oidc-provider']));
  // Only what is here itself has none.
  const without = components.filter(({ hashes }) => !hashes?.length).map(({ purl }) => purl);
  expect(without.filter((purl) => !/file%3A|^pkg:npm\/%40portcullis/.test(purl))).toEqual([]);
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
