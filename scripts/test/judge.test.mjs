import { describe, expect, test } from '@jest/globals';
import { judge } from '../run-tests/judge.mjs';

const run = (results, rest) =>
  judge({
    code: 0,
    ci: false,
    results: {
      numPassedTests: 3,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      numRuntimeErrorTestSuites: 0,
      ...results,
    },
    ...rest,
  });

describe('the verdict on a test run', () => {
  test('counts what passed', () => {
    expect(run({})).toEqual({ ok: true, problems: [], count: '3 passed, 0 failed' });
  });

  test('is bad where Jest says so, even when no test failed', () => {
    expect(run({}, { code: 1 }).ok).toBe(false);
  });

  test('is bad when no test was run', () => {
    expect(run({ numPassedTests: 0 })).toMatchObject({ ok: false, count: '0 passed, 0 failed' });
  });

  test('is bad when Jest ended without results', () => {
    expect(judge({ code: 0, ci: false, results: undefined })).toMatchObject({ ok: false, count: '0 passed, 1 failed' });
  });

  test('counts a file that could not be run as failed', () => {
    expect(run({ numRuntimeErrorTestSuites: 1 })).toMatchObject({ ok: false, count: '3 passed, 1 failed' });
  });

  test.each([{ numPendingTests: 2 }, { numTodoTests: 2 }])(
    'tells of skipped tests, and refuses them with CI set',
    (left) => {
      expect(run(left)).toMatchObject({ ok: true, count: '3 passed, 0 failed, 2 skipped' });
      expect(run(left, { ci: true }).ok).toBe(false);
    },
  );
});
