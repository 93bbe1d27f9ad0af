import type { AuditOutcome } from '@portcullis/platform';

/** What a rule looks at of an audit record. */
export type WatchedRecord = Readonly<{
  time: Date;
  type: string;
  outcome: AuditOutcome;
  subject?: string | undefined;
  client?: string | undefined;
  address?: string | undefined;
}>;

/** What the rules find in records, beside what is found where it happens. */
export type TrailAnomaly = 'repeated_failures' | 'burst' | 'odd_hours';

/** Something that somebody should look at: which user and app it concerns, and what it was. */
export type Finding = Readonly<{
  kind: TrailAnomaly;
  subject?: string;
  client?: string;
  /** How many records it takes. */
  count: number;
}>;

/** How far back the rules look. */
export const WATCHED_MINUTES = 15;

/** So many refusals of one user and app in 15 minutes are no mistakes any more. */
const FAILURES = 20;
/** So many calls of one user and app in a minute: an agent at work makes one in a second. */
const BURST_CALLS = 240;
/** Before a habit is known there must be calls on so many days. */
const HABIT_DAYS = 7;
/** Hours next to a known one are no odd ones. */
const NEAR_HOURS = 2;

/**
 * `repeated_failures`: one user and app, or one app where no user is known, was refused 20 times. `burst`: a user and app
 * made 240 calls in a minute. Both judge the records that they are given, which should be those of the last 15 minutes.
 */
export function findAnomalies(records: readonly WatchedRecord[]): Finding[] {
  const findings: Finding[] = [];
  for (const [, group] of Map.groupBy(records.filter(isAttributed), keyOf)) {
    const failures = group.filter(({ outcome }) => outcome === 'denied').length;
    if (failures >= FAILURES) findings.push({ kind: 'repeated_failures', ...partiesOf(group), count: failures });
    const most = mostInAMinute(group.filter(({ type }) => type === 'tool.called'));
    if (most >= BURST_CALLS) findings.push({ kind: 'burst', ...partiesOf(group), count: most });
  }
  return findings;
}

/**
 * `odd_hours`: a user and app called a tool at an hour of the day (UTC) that is more than two hours from every hour at
 * which they ever did, on at least seven days before.
 *
 * @param now when they called
 * @param before the times of their earlier calls
 */
export function isOddHour(now: Date, before: readonly Date[]): boolean {
  const days = new Set(before.map((time) => time.toISOString().slice(0, 10)));
  if (days.size < HABIT_DAYS) return false;
  return before.every((time) => hoursApart(time.getUTCHours(), now.getUTCHours()) > NEAR_HOURS);
}

/** Which user and app a finding concerns, as one text: it is raised once for them in an hour. */
export function keyOf({ subject, client }: Pick<WatchedRecord, 'subject' | 'client'>): string {
  return JSON.stringify([subject ?? null, client ?? null]);
}

function hoursApart(a: number, b: number): number {
  const apart = Math.abs(a - b);
  return Math.min(apart, 24 - apart);
}

/** What nobody is known to have done is bounded and counted elsewhere; an anomaly is not found in anomalies. */
function isAttributed({ type, subject, client }: WatchedRecord): boolean {
  return type !== 'anomaly.raised' && (subject !== undefined || client !== undefined);
}

function partiesOf([first]: readonly WatchedRecord[]): Pick<Finding, 'subject' | 'client'> {
  return {
    ...(first?.subject !== undefined && { subject: first.subject }),
    ...(first?.client !== undefined && { client: first.client }),
  };
}

function mostInAMinute(records: readonly WatchedRecord[]): number {
  const times = records.map(({ time }) => time.getTime()).sort((a, b) => a - b);
  let [most, first] = [0, 0];
  for (const [last, time] of times.entries()) {
    while (time - (times[first] ?? time) >= 60_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
