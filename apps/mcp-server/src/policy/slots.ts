import type { Limits } from './limits.ts';

/** A place for one running call; `release` may be called more than once. */
type Slot = { release(): void };

/** Which cap on calls at once was met. */
export type SlotReason = 'user-calls-at-once' | 'calls-at-once';

/** The places for calls that run at the same time in this process. */
export type Slots = { take(subject: string): { ok: true; slot: Slot } | { ok: false; reason: SlotReason } };

/** Makes the places. They guard this process's own memory and connections, so each replica has its own. */
export function createSlots({ userCallsAtOnce, callsAtOnce }: Pick<Limits, 'userCallsAtOnce' | 'callsAtOnce'>): Slots {
  const ofUser = new Map<string, number>();
  let running = 0;
  const free = (subject: string) => {
    running -= 1;
    const left = (ofUser.get(subject) ?? 1) - 1;
    if (left === 0) ofUser.delete(subject);
    else ofUser.set(subject, left);
  };
  return {
    take(subject) {
      const own = ofUser.get(subject) ?? 0;
      if (own >= userCallsAtOnce) return { ok: false, reason: 'user-calls-at-once' };
      if (running >= callsAtOnce) return { ok: false, reason: 'calls-at-once' };
      running += 1;
      ofUser.set(subject, own + 1);
      let released = false;
      const release = () => {
        if (!released) free(subject);
        released = true;
      };
      return { ok: true, slot: { release } };
    },
  };
}
