import type { Counter } from '@portcullis/persistence';
import type { Allowance, FailureLimit } from './failure-limit.ts';

/** One try at something that only so many may fail at. */
export type Attempt = {
  /**
   * Takes a place before the outcome is known. Where the tries under way could use up what is left of the limit, it waits
   * for one of them: so many that come at once are judged no less than one after the other.
   *
   * @param ahead what the limit had counted, where that was read since the attempt began
   */
  admit(ahead?: { counter: Counter | undefined }): Promise<Allowance>;
  /** Gives the place back: this is no failure. */
  passed(): void;
  /** Counts a failure, and gives the place back. */
  failed(): Promise<void>;
  /** Says that nothing more comes; an attempt that was begun has to be ended, once. */
  end(): void;
};

/** Tries of this process under a limit. */
export type Attempts = {
  limit: FailureLimit;
  /** Begins a try. Has to come before its counter is read: until its end, no failure here is missed. */
  begin(key: string): Attempt;
};

/** What is known of one key while anybody tries. */
type Standing = { begun: number; trying: number; counter: Counter | undefined; waiting: ((a: Allowance) => void)[] };

/**
 * Counts tries before they are judged, without asking the database for more than the failures it knows of. Each replica
 * does so by itself: several let through at the same moment as many as the limit allows each.
 */
export function createAttempts(limit: FailureLimit): Attempts {
  const standings = new Map<string, Standing>();
  return {
    limit,
    begin(key) {
      const standing = standings.get(key) ?? { begun: 0, trying: 0, counter: undefined, waiting: [] };
      standings.set(key, standing);
      standing.begun++;
      const learn = (counter: Counter | undefined) => {
        standing.counter = newer(standing.counter, counter);
      };
      let hasPlace = false;
      const leave = () => {
        if (!hasPlace) return;
        hasPlace = false;
        standing.trying--;
        seat(standing, limit);
      };
      return {
        async admit(ahead) {
          learn(ahead ? ahead.counter : await limit.read(key));
          const allowance = await new Promise<Allowance>((resolve) => {
            standing.waiting.push(resolve);
            seat(standing, limit);
          });
          hasPlace = allowance.allowed;
          return allowance;
        },
        passed: leave,
        async failed() {
          learn(await limit.count(key));
          leave();
        },
        end() {
          leave();
          standing.begun--;
          if (standing.begun === 0) standings.delete(key);
        },
      };
    },
  };
}

/** Answers those who wait, in their order, as far as there are places or none will come. */
function seat(standing: Standing, limit: FailureLimit): void {
  const left = limit.left(standing.counter);
  while (standing.waiting.length > 0 && (left === 0 || standing.trying < left)) {
    const allowance: Allowance = left === 0 ? limit.judge(standing.counter) : { allowed: true };
    if (allowance.allowed) standing.trying++;
    standing.waiting.shift()?.(allowance);
  }
}

/** Of two states of one counter the one that came later: windows follow one another, and in each the count only grows. */
function newer(known: Counter | undefined, read: Counter | undefined): Counter | undefined {
  if (!known || !read) return read ?? known;
  const [knownEnd, readEnd] = [known, read].map(({ expire }) => expire?.getTime() ?? Number.POSITIVE_INFINITY);
  if (knownEnd !== readEnd) return Number(readEnd) > Number(knownEnd) ? read : known;
  return read.points > known.points ? read : known;
}
