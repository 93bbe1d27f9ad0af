/** What the rules find in records, beside what is found where it happens. */
type TrailAnomaly = 'repeated_failures' | 'burst' | 'odd_hours';

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

/** `repeated_failures`: one user and app, or one app where no user is known, was refused so often in 15 minutes. */
export const FAILURES = 20;
/** `burst`: a user and app made so many calls in a minute; an agent at work makes one in a second. */
export const BURST_CALLS = 240;
/** Before a habit is known there must be calls on so many days. */
const HABIT_DAYS = 7;
/** Hours next to a known one are no odd ones. */
const NEAR_HOURS = 2;

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

/** The most of these moments that lie within any one minute. */
export function mostInAMinute(moments: readonly Date[]): number {
  const times = moments.map((moment) => moment.getTime()).sort((a, b) => a - b);
  let [most, first] = [0, 0];
  for (const [last, time] of times.entries()) {
    while (time - (times[first] ?? time) >= 60_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

function hoursApart(a: number, b: number): number {
  const apart = Math.abs(a - b);
  return Math.min(apart, 24 - apart);
}
