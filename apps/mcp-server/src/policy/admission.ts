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

/** Judges each message before anything is done about it. */
export type Admissions = { judge(caller: Caller, tool: CalledTool | undefined): Promise<Admission> };

/** How long a caller waits for its own calls to end. */
const BUSY_RETRY_SECONDS = 1;
const FREE: Admission = { ok: true, release: () => undefined };

/**
 * Admits messages within the limits. A call of a tool takes a place too, until that is given back. Everything else costs
 * one point, also what asks for no answer: its token is judged, and it is read, like any other.
 */
export function createAdmissions(limits: CallLimits, slots: Slots): Admissions {
  return {
    async judge({ subject, clientId }, tool) {
      const call: CountedCall = { subject, clientId, cost: tool?.cost ?? 1, ...(tool && { tool }) };
      if (!tool) return admitted(await limits.count(call), FREE);
      const place = slots.take(subject);
      if (!place.ok) return { ok: false, refusal: { reason: place.reason, retryAfterSeconds: BUSY_RETRY_SECONDS } };
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
    async judge(caller, tool) {
      const admission = await admissions.judge(caller, tool);
      if (!admission.ok) onRefusal(admission.refusal.reason);
      return admission;
    },
  };
}
