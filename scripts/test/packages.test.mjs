import { describe, expect, test } from '@jest/globals';
import { packagesAreCurrent } from '../prepare/packages.mjs';

const lock = (packages) => ({ packages });
const koa = { version: '3.3.0', integrity: 'sha512-a' };

describe('whether an install is needed', () => {
  test('none when everything is there', () => {
    expect(packagesAreCurrent(lock({ '': {}, 'node_modules/koa': koa }), lock({ 'node_modules/koa': koa }))).toBe(true);
  });

  test('when nothing was installed, or an install was interrupted', () => {
    expect(packagesAreCurrent(lock({ 'node_modules/koa': koa }), undefined)).toBe(false);
  });

  test.each([
    ['is missing', {}],
    ['has another version', { 'node_modules/koa': { ...koa, version: '3.2.0' } }],
    ['has another checksum', { 'node_modules/koa': { ...koa, integrity: 'sha512-b' } }],
  ])('when a package %s', (_, installed) => {
    expect(packagesAreCurrent(lock({ 'node_modules/koa': koa }), lock(installed))).toBe(false);
  });

  test('none for another platform’s optional package', () => {
    expect(packagesAreCurrent(lock({ 'node_modules/fsevents': { ...koa, optional: true } }), lock({}))).toBe(true);
  });

  test('when a workspace is new', () => {
    const wanted = lock({ 'apps/new': { version: '0.1.0' }, 'node_modules/new': { link: true, resolved: 'apps/new' } });
    expect(packagesAreCurrent(wanted, lock({}))).toBe(false);
  });
});
