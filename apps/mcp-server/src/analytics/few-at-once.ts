import { type Analytics, type AnalyticsRefusal, refused } from './analytics.ts';

/** How many queries may run, and how many may wait for a place. */
export type Places = { running: number; waiting: number };

/** The same queries, but few at once: what comes when all places are taken waits, and what finds the queue full is told `busy`. */
export function fewAtOnce(analytics: Analytics, places: Places): Analytics {
  const waiting: (() => void)[] = [];
  let running = 0;
  // A place goes straight to whoever has waited longest, so that nobody slips in between.
  const leave = () => {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  };
  const enter = async (signal: AbortSignal): Promise<AnalyticsRefusal | undefined> => {
    if (running < places.running) running += 1;
    else if (waiting.length < places.waiting) return await waitForPlace(signal);
    else return 'busy';
  };
  const waitForPlace = (signal: AbortSignal) =>
    new Promise<AnalyticsRefusal | undefined>((resolve) => {
      const giveUp = () => {
        waiting.splice(waiting.indexOf(take), 1);
        resolve('took-too-long');
      };
      const take = () => {
        signal.removeEventListener('abort', giveUp);
        resolve(undefined);
      };
      waiting.push(take);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  return {
    timeoutMs: analytics.timeoutMs,
    async run(statement, signal) {
      if (signal.aborted) return refused('took-too-long');
      const refusal = await enter(signal);
      if (refusal) return refused(refusal);
      try {
        return await analytics.run(statement, signal);
      } finally {
        leave();
      }
    },
    close: () => analytics.close(),
  };
}
