/**
 * Judges a run of Jest, more strictly than Jest does: no tests is a failure, and so is a test left out where `ci` is set.
 *
 * @param {{ code: number | null, results: object | undefined, ci: boolean }} run exit code and Jest's JSON results,
 * undefined when it wrote none
 * @returns {{ ok: boolean, problems: string[], count: string }} `count` reads `N passed, N failed`, with `, N skipped`
 * where tests were; a file that could not be run counts as one failed
 */
export function judge({ code, results, ci }) {
  const passed = results?.numPassedTests ?? 0;
  const failed = results ? results.numFailedTests + results.numRuntimeErrorTestSuites : 1;
  const skipped = results ? results.numPendingTests + results.numTodoTests : 0;
  const problems = [
    ...(results ? [] : ['Jest ended without results.']),
    ...(passed + failed === 0 ? ['No test was run.'] : []),
    ...(ci && skipped > 0 ? [`${skipped} tests were skipped. With CI set, nothing may be left out.`] : []),
  ];
  return {
    ok: code === 0 && failed === 0 && problems.length === 0,
    problems,
    count: `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  };
}
