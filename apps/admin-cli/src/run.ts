import { CommanderError } from 'commander';
import { idsAsOperands } from './arguments.ts';
import type { CliDeps } from './command.ts';
import { CommandFailure, EXIT } from './failure.ts';
import { createProgram } from './program.ts';

export type { CliDeps } from './command.ts';
export type { Config } from './config.ts';
export type { Terminal } from './terminal.ts';

/** Runs one command. Returns the exit code: 0 done, 1 refused, 2 used wrongly, 3 server not reached. */
export async function runCli(args: readonly string[], deps: CliDeps): Promise<number> {
  try {
    await createProgram(deps).parseAsync(idsAsOperands(args), { from: 'user' });
    return EXIT.done;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? EXIT.done : EXIT.usage;
    if (!(cause instanceof CommandFailure)) throw cause;
    const { terminal } = deps;
    if (cause.problem && args.includes('--json')) terminal.note(`${JSON.stringify(cause.problem)}\n`);
    else terminal.note(`portcullis: ${cause.message}\n`);
    return cause.exitCode;
  }
}
