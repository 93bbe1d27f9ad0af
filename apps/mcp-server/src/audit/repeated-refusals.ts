import type { ReportedAuditRecord } from '@portcullis/platform';
import type { ToolCall } from './tool-audit.ts';
import { outcomeOf, type ToolDecision } from './tool-decision.ts';

/** Refused calls of which a caller can have as many as it likes. */
export type RepeatedRefusals = {
  /** Whether a call gets a record of its own; if not, it is counted. */
  isRecorded(call: Pick<ToolCall, 'decision' | 'call'>, now: Date): boolean;
  /** One record for each caller and decision of what was only counted, once the window is over. */
  sum(now: Date): ReportedAuditRecord[];
};

const WINDOW_MS = 60_000;
/** As many as make the anomaly `repeated_failures`. */
const RECORDED_ONE_BY_ONE = 20;

/** What is refused before a limit, or by one. All else is bounded by the limits on calls. */
const UNBOUNDED: ReadonlySet<ToolDecision> = new Set<ToolDecision>([
  'unknown-tool',
  'hidden-tool',
  'insufficient-scope',
  'over-limit',
]);

type Counted = Pick<ToolCall, 'decision'> & { subject: string; client: string; beganAt: Date; calls: number };

/**
 * A good token must not be enough to fill the trail: of each user, client and decision the first 20 of a minute are
 * recorded one by one, the others counted.
 */
export function repeatedRefusals(nextId: (time: Date) => string): RepeatedRefusals {
  const windows = new Map<string, Counted>();

  return {
    isRecorded({ decision, call: { principal } }, now) {
      if (!UNBOUNDED.has(decision)) return true;
      const { subject, clientId: client } = principal;
      const key = JSON.stringify([subject, client, decision]);
      const window = windows.get(key) ?? { decision, subject, client, beganAt: now, calls: 0 };
      window.calls += 1;
      windows.set(key, window);
      return window.calls <= RECORDED_ONE_BY_ONE;
    },
    sum(now) {
      const over = [...windows].filter(([, { beganAt }]) => now.getTime() - beganAt.getTime() >= WINDOW_MS);
      for (const [key] of over) windows.delete(key);
      return over
        .filter(([, { calls }]) => calls > RECORDED_ONE_BY_ONE)
        .map(([, window]) => summed(window, { id: nextId(now), now }));
    },
  };
}

function summed(
  { decision, subject, client, beganAt, calls }: Counted,
  { id, now }: { id: string; now: Date },
): ReportedAuditRecord {
  return {
    ...{ id, time: now.toISOString(), type: 'tool.called', outcome: outcomeOf(decision) },
    ...{ subject: subject.slice(0, 300), client: client.slice(0, 2048) },
    detail: { decision, notRecorded: calls - RECORDED_ONE_BY_ONE, since: beganAt.toISOString() },
  };
}
