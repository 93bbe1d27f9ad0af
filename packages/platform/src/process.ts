import type { Logger } from './logger.ts';
import { returnMemoryAtRest } from './rest.ts';
import { StartupError } from './startup-error.ts';

/** What a running process must be able to do. */
export type Running = {
  /** Lets proxies in front hear that the process will stop, while it still answers; called on `SIGTERM` alone. */
  leave?(): Promise<void>;
  close(): Promise<void>;
};

/** The life of one process. */
export type ProcessOptions = {
  /** Reads configuration, opens, listens; resolves when the process is ready. */
  start(): Promise<Running>;
  /** The logger, once there is one; faults go there instead of standard error. */
  logger(): Logger | undefined;
  /** How long closing may take before the process ends anyway, in milliseconds; 10,000 by default. */
  drainMs?: number;
};

/**
 * Runs a process to its end: a failed start prints its problems, one line each, and exits 1;
 * `SIGTERM`, `SIGINT` and `SIGHUP` drain and exit 0, the first of them after what is in front was told; an unhandled fault is logged, drains and exits 1.
 *
 * Once it is ready, it gives memory back whenever it rests.
 *
 * Where a parent keeps a channel to us, it is told `listening` once we are, and its end is ours: nobody is left
 * behind holding the ports and the data folder.
 */
export function runProcess({ start, logger, drainMs = 10_000 }: ProcessOptions): void {
  let ending = false;
  let running: Running | undefined;

  const end = async (code: number, signal?: NodeJS.Signals) => {
    if (ending) return;
    ending = true;
    if (signal === 'SIGTERM') await running?.leave?.();
    setTimeout(() => process.exit(code), drainMs).unref();
    try {
      await running?.close();
    } catch (cause) {
      report(logger(), 'closing failed', cause);
      process.exit(1);
    }
    process.exit(code);
  };

  const fault = (cause: unknown) => {
    report(logger(), 'unhandled fault', cause);
    void end(1);
  };

  process.on('uncaughtException', fault);
  process.on('unhandledRejection', fault);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(0, signal));
  process.once('disconnect', () => void end(0));

  start().then(
    (started) => {
      running = started;
      if (ending) void started.close();
      else process.send?.('listening');
      returnMemoryAtRest();
    },
    (cause: unknown) => {
      if (!(cause instanceof StartupError)) report(logger(), 'start failed', cause);
      const lines =
        cause instanceof StartupError
          ? cause.problems
          : ['The start failed unexpectedly; the log line above says more.'];
      for (const line of lines) process.stderr.write(`portcullis: ${line}\n`);
      process.exit(1);
    },
  );
}

function report(log: Logger | undefined, what: string, cause: unknown): void {
  if (log) log.fatal({ err: cause }, what);
  else process.stderr.write(`portcullis: ${what}: ${cause instanceof Error ? cause.message : String(cause)}\n`);
}
