import { expect, test } from '@jest/globals';
import { isAtLeast } from '../prepare/runtime.mjs';

test.each([
  ['v24.21.0', '24.21.0', true],
  ['v24.21.1', '24.21.0', true],
  ['v24.9.0', '24.21.0', false],
  ['v26.0.0', '24.21.0', true],
  ['v20.20.2', '24.21.0', false],
])('Node.js %s where %s is wanted: %p', (version, wanted, expected) => {
  expect(isAtLeast(version, wanted)).toBe(expected);
});
