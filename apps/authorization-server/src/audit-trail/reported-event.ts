import { createHash } from 'node:crypto';
import {
  AUDIT_REPORT_LIMITS,
  type AuditEvent,
  type ReportedAuditRecord,
  reportedAuditRecord,
} from '@portcullis/platform';

/** So far may a sender's clock be ahead. */
const MOST_AHEAD_MS = 5 * 60_000;
/** Ids begin with their time. */
const TIME_DIGITS = 12;

/**
 * What is stored of a record that the server of a resource sent; undefined when nothing is: when the record is too large
 * or malformed, its id does not begin with its time, or that is more than five minutes ahead of `now`. Whether it tells
 * the truth cannot be known.
 *
 * @see reportedAuditRecord
 */
export function reportedEvent(
  value: unknown,
  { resource, now }: { resource: string; now: Date },
): (AuditEvent & { id: string }) | undefined {
  if (Buffer.byteLength(JSON.stringify(value)) > AUDIT_REPORT_LIMITS.recordBytes) return undefined;
  const { data } = reportedAuditRecord.safeParse(value);
  if (!data) return undefined;
  const claimed = new Date(data.time);
  if (timeOf(data) !== claimed.getTime() || claimed.getTime() > now.getTime() + MOST_AHEAD_MS) return undefined;
  return { ...data, id: storedId(data, resource), time: claimed > now ? now : claimed, resource };
}

function timeOf({ id }: ReportedAuditRecord): number {
  return Number.parseInt(id.slice(0, TIME_DIGITS), 16);
}

/**
 * The trail is read in the order of its ids, so the time stays; it may be those five minutes ahead. The rest is hashed
 * with the resource: a record that is sent again gets the same id, and no sender can take that of anybody else's record.
 */
function storedId({ id }: ReportedAuditRecord, resource: string): string {
  const rest = createHash('sha256')
    .update(JSON.stringify([resource, id]))
    .digest('hex');
  return `${id.slice(0, TIME_DIGITS)}${rest.slice(0, id.length - TIME_DIGITS)}`;
}
