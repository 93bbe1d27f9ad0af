import { createHash } from 'node:crypto';
import type { Counter, Counters, Taken } from './counters.ts';
import type { Limits } from './limits.ts';

/** Who calls, and what the call costs. */
export type CountedCall = {
  subject: string;
  clientId: string;
  cost: number;
  /** The tool, and how often in a minute one user may call it if that is less than usual; absent for a message that calls none. */
  tool?: { name: string; callsPerMinute?: number };
};

/** Which limit a call met. */
export type LimitReason = 'tool-calls' | 'user-budget' | 'client-budget' | 'user-day' | 'client-day';

/** Whether a call is within every limit; otherwise the one that it met, and when to come back. */
type Counted = { ok: true } | { ok: false; refusal: { reason: LimitReason; retryAfterSeconds: number } };

/** Judges calls by what was called before (SP-30). */
export type CallLimits = { count(call: CountedCall): Promise<Counted> };

const MINUTE_SECONDS = 60;
const DAY_SECONDS = 24 * 3600;

/**
 * Counts each call against the tool, the user and the client. The narrowest window comes first, so that calls which are
 * refused in a minute take nothing from the day; what a refused call took before stays taken until its minute is over.
 */
export function createCallLimits(limits: Limits, counters: Counters): CallLimits {
  const { user, client } = limits;
  const minute = (name: string, points: number) => counters.counter({ name, points, windowSeconds: MINUTE_SECONDS });
  const day = (name: string, points: number) => counters.counter({ name, points, windowSeconds: DAY_SECONDS });
  const toolCounter = toolCounters((calls) => minute(`tool-${calls}`, calls));
  const userMinute = minute('user-minute', user.pointsPerMinute);
  const clientMinute = minute('client-minute', client.pointsPerMinute);
  const userDay = day('user-day', user.pointsPerDay);
  const clientDay = day('client-day', client.pointsPerDay);
  return {
    async count({ subject, clientId, cost, tool }) {
      const usual = limits.toolCallsPerMinute;
      const ofTool = (): Promise<Taken> | undefined =>
        tool && toolCounter(Math.min(tool.callsPerMinute ?? usual, usual)).take(keyOf(subject, tool.name), 1);
      const steps: readonly [LimitReason, () => Promise<Taken> | undefined][] = [
        ['tool-calls', ofTool],
        ['user-budget', () => userMinute.take(keyOf(subject), cost)],
        ['client-budget', () => clientMinute.take(keyOf(clientId), cost)],
        ['user-day', () => userDay.take(keyOf(subject), cost)],
        ['client-day', () => clientDay.take(keyOf(clientId), cost)],
      ];
      for (const [reason, take] of steps) {
        const result = await take();
        if (result?.taken === false) return refused(reason, result.waitMs);
      }
      return { ok: true };
    },
  };
}

function refused(reason: LimitReason, waitMs: number): Counted {
  return { ok: false, refusal: { reason, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) } };
}

/** One counter for all tools that allow the same number of calls. */
function toolCounters(make: (callsPerMinute: number) => Counter): (callsPerMinute: number) => Counter {
  const made = new Map<number, Counter>();
  return (callsPerMinute) => {
    const counter = made.get(callsPerMinute) ?? make(callsPerMinute);
    made.set(callsPerMinute, counter);
    return counter;
  };
}

/** Of one length whatever a client calls itself, and no list of who was here. */
function keyOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
