import { type Analytics, refused } from './analytics.ts';

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
  const enter = async (): Promise<boolean> => {
    if (running < places.running) running += 1;
    else if (waiting.length < places.waiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else return false;
    return true;
  };
  return {
    timeoutMs: analytics.timeoutMs,
    async run(statement) {
      if (!(await enter())) return refused('busy');
      try {
        return await analytics.run(statement);
      } finally {
        leave();
      }
    },
    close: () => analytics.close(),
  };
}
