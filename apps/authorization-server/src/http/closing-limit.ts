import type { Allowance, FailureLimit } from './failure-limit.ts';

/** A limit that asks the database no more once it has refused, until the window ends: a flood costs no writes. */
export type ClosingLimit = Pick<FailureLimit, 'take'> & {
  /** For how many seconds it is known to refuse; 0 where it has to be asked. */
  closedForSeconds(key: string): number;
};

/** With so many keys in memory, those whose window has ended are let go. */
const MANY_KEYS = 1000;

/** Makes one of a limit of which nothing is given back. Windows are counted in real time, as the limit itself does. */
export function closingLimit(limit: FailureLimit): ClosingLimit {
  const closedUntilMs = new Map<string, number>();
  const closedForSeconds = (key: string) => Math.max(0, Math.ceil(((closedUntilMs.get(key) ?? 0) - Date.now()) / 1000));
  const close = (key: string, seconds: number) => {
    if (closedUntilMs.size >= MANY_KEYS) {
      for (const [other, until] of closedUntilMs) if (until <= Date.now()) closedUntilMs.delete(other);
    }
    closedUntilMs.set(key, Date.now() + seconds * 1000);
  };
  return {
    closedForSeconds,
    async take(key): Promise<Allowance> {
      const retryAfterSeconds = closedForSeconds(key);
      if (retryAfterSeconds > 0) return { allowed: false, retryAfterSeconds, first: false };
      const allowance = await limit.take(key);
      if (!allowance.allowed) close(key, allowance.retryAfterSeconds);
      return allowance;
    },
  };
}
