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
const SOME = 20;

/**
 * How many are recorded one by one of what is refused before a limit, or by one, and of what is refused because no record
 * has a place. All else is bounded by the limits on calls.
 */
const RECORDED_ONE_BY_ONE: ReadonlyMap<ToolDecision, number> = new Map<ToolDecision, number>([
  ['unknown-tool', SOME],
  ['hidden-tool', SOME],
  ['insufficient-scope', SOME],
  ['over-limit', SOME],
  ['not-recordable', 0],
]);

type Counted = Pick<ToolCall, 'decision'> & {
  subject: string;
  client: string;
  beganAt: Date;
  recorded: number;
  notRecorded: number;
};

/**
 * A good token must not be enough to fill the trail: of each user, client and decision the first 20 of a minute are
 * recorded one by one, the others counted. Calls that were not made because they could not be recorded are all counted.
 */
export function repeatedRefusals(nextId: (time: Date) => string): RepeatedRefusals {
  const windows = new Map<string, Counted>();

  return {
    isRecorded({ decision, call: { principal } }, now) {
      const most = RECORDED_ONE_BY_ONE.get(decision);
      if (most === undefined) return true;
      const { subject, clientId: client } = principal;
      const key = JSON.stringify([subject, client, decision]);
      const window = windows.get(key) ?? { decision, subject, client, beganAt: now, recorded: 0, notRecorded: 0 };
      windows.set(key, window);
      const isRecorded = window.recorded < most;
      window[isRecorded ? 'recorded' : 'notRecorded'] += 1;
      return isRecorded;
    },
    sum(now) {
      const over = [...windows].filter(([, { beganAt }]) => now.getTime() - beganAt.getTime() >= WINDOW_MS);
      for (const [key] of over) windows.delete(key);
      return over
        .filter(([, { notRecorded }]) => notRecorded > 0)
        .map(([, window]) => summed(window, { id: nextId(now), now }));
    },
  };
}

function summed(
  { decision, subject, client, beganAt, notRecorded }: Counted,
  { id, now }: { id: string; now: Date },
): ReportedAuditRecord {
  return {
    ...{ id, time: now.toISOString(), type: 'tool.called', outcome: outcomeOf(decision) },
    ...{ subject: subject.slice(0, 300), client: client.slice(0, 2048) },
    detail: { decision, notRecorded, since: beganAt.toISOString() },
  };
}
