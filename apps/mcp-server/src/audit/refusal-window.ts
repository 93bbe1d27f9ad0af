import type { Refusal } from '@portcullis/guard';
import type { ReportedAuditRecord } from '@portcullis/platform';

/** Where a request came from. */
export type RequestOrigin = { address: string; correlationId: string };

/** Records of requests that were turned away before anybody was known to have sent them. */
export type RefusalWindow = {
  /** A record of its own, or undefined where this one is only counted, or is nothing to record. */
  note(refusal: Refusal, origin: RequestOrigin | undefined, now: Date): ReportedAuditRecord | undefined;
  /** One record of all that was only counted, once the window is over. */
  sum(now: Date): ReportedAuditRecord | undefined;
};

const WINDOW_MS = 60_000;
const RECORDED_ONE_BY_ONE = 20;

/** How every client begins, and what is wrong with the form of a request alone. A call's own refusals are calls. */
const NOTHING_TO_RECORD: ReadonlySet<Refusal['reason']> = new Set<Refusal['reason']>([
  'no_credentials',
  'unsupported_media_type',
  'length_required',
  'method_not_allowed',
  'body_too_large',
  'undeclared',
  'hidden',
  'insufficient_scope',
]);

/**
 * Anybody can have requests turned away, so a flood must not fill the trail: the first 20 of a minute are recorded one
 * by one, the others counted by reason.
 */
export function refusalWindow(nextId: (time: Date) => string): RefusalWindow {
  let beganAt: Date | undefined;
  let recorded = 0;
  let counted = new Map<string, number>();

  const begin = (now: Date | undefined) => {
    beganAt = now;
    recorded = 0;
    counted = new Map();
  };
  const base = (now: Date) => ({
    ...{ id: nextId(now), time: now.toISOString() },
    ...({ type: 'request.refused', outcome: 'denied' } as const),
  });

  return {
    note({ reason }, origin, now) {
      if (NOTHING_TO_RECORD.has(reason)) return undefined;
      if (beganAt === undefined) begin(now);
      if (recorded < RECORDED_ONE_BY_ONE) {
        recorded += 1;
        return { ...base(now), ...origin, detail: { reason } };
      }
      counted.set(reason, (counted.get(reason) ?? 0) + 1);
      return undefined;
    },
    sum(now) {
      if (beganAt === undefined || now.getTime() - beganAt.getTime() < WINDOW_MS) return undefined;
      const since = beganAt.toISOString();
      const notRecorded = Object.fromEntries(counted);
      begin(undefined);
      return Object.keys(notRecorded).length > 0 ? { ...base(now), detail: { notRecorded, since } } : undefined;
    },
  };
}
