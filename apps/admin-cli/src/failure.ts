import type { AdminProblem } from '@portcullis/platform';

/** Exit codes: done, refused by the server, used wrongly, server not reached. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3 } as const;

/** A command that ends without having done what it was asked; the message is for the person who typed it. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;
  /** What the server said, where it said why. */
  readonly problem: AdminProblem | undefined;

  constructor(kind: Exclude<keyof typeof EXIT, 'done'>, message: string, { problem, cause }: FailureDetail = {}) {
    super(message, { cause });
    this.exitCode = EXIT[kind];
    this.problem = problem;
  }
}

type FailureDetail = { problem?: AdminProblem; cause?: unknown };

/** The failure of a server that gives no answer of its own. */
export function unreachable(issuer: string, cause?: unknown): CommandFailure {
  return new CommandFailure('unreachable', `No answer from ${issuer}. Is it running, and is the address right?`, {
    cause,
  });
}
