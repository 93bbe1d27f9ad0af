/**
 * A start that cannot succeed. The message is for the operator: what is wrong, and what to change.
 * It is printed as it stands, one line a problem, and the process exits with 1.
 */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  /** One entry for each problem that was found. */
  readonly problems: readonly string[];

  constructor(problems: string | readonly string[], options?: ErrorOptions) {
    const list = typeof problems === 'string' ? [problems] : problems;
    super(list.join('\n'), options);
    this.problems = list;
  }
}
