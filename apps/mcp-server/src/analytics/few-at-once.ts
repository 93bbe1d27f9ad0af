import { type Analytics, type AnalyticsOutcome, type AnalyticsRefusal, refused } from './analytics.ts';

/** Who asks; `signal` is aborted when they are gone. */
type Asker = { subject: string; signal: AbortSignal };

/** Runs queries of many people on what they share. */
export type SharedAnalytics = Pick<Analytics, 'timeoutMs' | 'close'> & {
  /** As {@link Analytics.run}; `busy` where too many wait already. */
  run(statement: string, asker: Asker): Promise<AnalyticsOutcome>;
};

/** How many queries may run, and how many may wait for a place: of everybody, and of one user among them. */
export type Places = { running: number; waiting: number; ofUser: { running: number; waiting: number } };

type Waiting = { subject: string; take(): void };

/**
 * The same queries, but few at once: what comes when all places are taken waits, and what finds the queue full is told `busy`.
 * Nobody has so many that there is none left for the others.
 */
export function fewAtOnce(analytics: Analytics, { ofUser, ...places }: Places): SharedAnalytics {
  const waiting: Waiting[] = [];
  const running: string[] = [];
  const isFree = (subject: string) => running.length < places.running && countOf(running, subject) < ofUser.running;
  const leave = (subject: string) => {
    running.splice(running.indexOf(subject), 1);
    // A place goes straight to whoever has waited longest and may have it, so that nobody slips in between.
    const next = waiting.findIndex((one) => isFree(one.subject));
    if (next >= 0) waiting.splice(next, 1)[0]?.take();
  };
  const enter = async ({ subject, signal }: Asker): Promise<AnalyticsRefusal | undefined> => {
    const queued = waiting.map((one) => one.subject);
    if (isFree(subject)) running.push(subject);
    else if (queued.length < places.waiting && countOf(queued, subject) < ofUser.waiting)
      return await waitForPlace({ subject, signal });
    else return 'busy';
  };
  const waitForPlace = ({ subject, signal }: Asker) =>
    new Promise<AnalyticsRefusal | undefined>((resolve) => {
      const own: Waiting = {
        subject,
        take() {
          signal.removeEventListener('abort', giveUp);
          running.push(subject);
          resolve(undefined);
        },
      };
      const giveUp = () => {
        waiting.splice(waiting.indexOf(own), 1);
        resolve('took-too-long');
      };
      waiting.push(own);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  return {
    timeoutMs: analytics.timeoutMs,
    async run(statement, { subject, signal }) {
      if (signal.aborted) return refused('took-too-long');
      const refusal = await enter({ subject, signal });
      if (refusal) return refused(refusal);
      try {
        return await analytics.run(statement, signal);
      } finally {
        leave(subject);
      }
    },
    close: () => analytics.close(),
  };
}

function countOf(subjects: readonly string[], subject: string): number {
  return subjects.filter((one) => one === subject).length;
}
