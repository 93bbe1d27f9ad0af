import type { CallLimits, CountedCall, LimitReason } from './call-limits.ts';
import type { PolicyDeclaration } from './declaration.ts';
import type { SlotReason, Slots } from './slots.ts';

/** Why a message is not served now. */
export type AdmissionRefusal = { reason: LimitReason | SlotReason; retryAfterSeconds: number };

/** Whether a message is served now; `release` gives its place back, when the answer was sent or its caller is gone. */
type Admission = { ok: true; release(): void } | { ok: false; refusal: AdmissionRefusal };

/** Whom a message comes from. */
type Caller = { subject: string; clientId: string };

/** What the message calls, where it calls a tool that its caller may call. */
type CalledTool = PolicyDeclaration & { name: string };

/** What of a message takes a place: the tool that it calls, or a subscription; of any other message nothing does. */
type Wanted = CalledTool | 'subscription' | undefined;

/** Judges each message before anything is done about it. */
export type Admissions = { judge(caller: Caller, wanted: Wanted): Promise<Admission> };

/** How long a caller waits for calls to end, and for subscriptions, which last as long as their tokens. */
const BUSY_RETRY_SECONDS = { call: 1, subscription: 60 } as const;
const FREE: Admission = { ok: true, release: () => undefined };

/**
 * Admits messages within the limits. A call of a tool takes a place too, and a subscription one of others, until that is
 * given back. Everything else costs one point, also what asks for no answer: its token is judged, and it is read, like any
 * other.
 */
export function createAdmissions(limits: CallLimits, slots: { calls: Slots; subscriptions: Slots }): Admissions {
  return {
    async judge({ subject, clientId }, wanted) {
      const tool = wanted === 'subscription' ? undefined : wanted;
      const call: CountedCall = { subject, clientId, cost: tool?.cost ?? 1, ...(tool && { tool }) };
      if (!wanted) return admitted(await limits.count(call), FREE);
      const place = (tool ? slots.calls : slots.subscriptions).take(subject);
      if (!place.ok) {
        const retryAfterSeconds = BUSY_RETRY_SECONDS[tool ? 'call' : 'subscription'];
        return { ok: false, refusal: { reason: place.reason, retryAfterSeconds } };
      }
      const { release } = place.slot;
      try {
        const admission = admitted(await limits.count(call), { ok: true, release });
        if (!admission.ok) release();
        return admission;
      } catch (cause) {
        release();
        throw cause;
      }
    },
  };
}

function admitted(counted: Awaited<ReturnType<CallLimits['count']>>, admission: Admission): Admission {
  return counted.ok ? admission : counted;
}

/** The same admissions, of which each refusal is counted. */
export function counted(admissions: Admissions, onRefusal: (reason: AdmissionRefusal['reason']) => void): Admissions {
  return {
    async judge(caller, wanted) {
      const admission = await admissions.judge(caller, wanted);
      if (!admission.ok) onRefusal(admission.refusal.reason);
      return admission;
    },
  };
}
