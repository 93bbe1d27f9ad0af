import type { Limits } from './limits.ts';

/** A place for one running call or open subscription; `release` may be called more than once. */
type Slot = { release(): void };

/** Which cap on what runs at once was met. */
export type SlotReason = 'user-calls-at-once' | 'calls-at-once' | 'user-subscriptions' | 'subscriptions';

/** The places for what runs at the same time in this process. */
export type Slots = { take(subject: string): { ok: true; slot: Slot } | { ok: false; reason: SlotReason } };

/** How many there are, and what it is called when all are taken. */
type Cap = { most: number; reason: SlotReason };

/** The places for calls. */
export function callSlots({ userCallsAtOnce, callsAtOnce }: Pick<Limits, 'userCallsAtOnce' | 'callsAtOnce'>): Slots {
  return createSlots({
    ofUser: { most: userCallsAtOnce, reason: 'user-calls-at-once' },
    ofAll: { most: callsAtOnce, reason: 'calls-at-once' },
  });
}

/** The places for subscriptions: nobody has so many that there is none left for the others. */
export function subscriptionSlots({
  userSubscriptions,
  subscriptions,
}: Pick<Limits, 'userSubscriptions' | 'subscriptions'>): Slots {
  return createSlots({
    ofUser: { most: userSubscriptions, reason: 'user-subscriptions' },
    ofAll: { most: subscriptions, reason: 'subscriptions' },
  });
}

/** Makes the places. They guard this process's own memory and connections, so each replica has its own. */
function createSlots({ ofUser, ofAll }: { ofUser: Cap; ofAll: Cap }): Slots {
  const taken = new Map<string, number>();
  let running = 0;
  const free = (subject: string) => {
    running -= 1;
    const left = (taken.get(subject) ?? 1) - 1;
    if (left === 0) taken.delete(subject);
    else taken.set(subject, left);
  };
  return {
    take(subject) {
      const own = taken.get(subject) ?? 0;
      if (own >= ofUser.most) return { ok: false, reason: ofUser.reason };
      if (running >= ofAll.most) return { ok: false, reason: ofAll.reason };
      running += 1;
      taken.set(subject, own + 1);
      let released = false;
      const release = () => {
        if (!released) free(subject);
        released = true;
      };
      return { ok: true, slot: { release } };
    },
  };
}
