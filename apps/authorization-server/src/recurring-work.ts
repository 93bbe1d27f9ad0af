import { setTimeout as pause } from 'node:timers/promises';

/** Work that is done again and again. */
export type RecurringWork = {
  intervalMs: number;
  work(): Promise<unknown>;
  /** Hears of what the work throws; it is done again all the same. */
  onFault(cause: unknown): void;
  /** Between 0 and 1; chance by default. */
  random?: () => number;
};

/**
 * Does something from time to time, never twice at once: each time after between half and one and a half of the
 * interval, so that replicas which were started together do not keep at it together. The first time comes within an
 * interval at most, or a process that is started anew often would never get to it.
 *
 * @returns what ends it; work that has begun is waited for
 */
export function repeat({ intervalMs, work, onFault, random = Math.random }: RecurringWork): () => Promise<void> {
  const ended = new AbortController();
  const { signal } = ended;
  const run = async () => {
    for (let times = 0; !signal.aborted; times++) {
      const share = times === 0 ? random() : 0.5 + random();
      await pause(intervalMs * share, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await work().catch(onFault);
    }
  };
  const running = run();
  return async () => {
    ended.abort();
    await running;
  };
}
