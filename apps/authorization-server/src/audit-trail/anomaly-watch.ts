import { createHash } from 'node:crypto';
import { type AuditLog, createAuditLog, type Database } from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { TokenMetrics } from '../metrics.ts';
import { BURST_CALLS, FAILURES, type Finding, isOddHour, mostInAMinute, WATCHED_MINUTES } from './anomaly-rules.ts';

/** What the watch works with. */
export type AnomalyWatchDeps = { database: Database; metrics: TokenMetrics };

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const HABIT_MS = 30 * 24 * HOUR_MS;
const CALLS = { type: 'tool.called' } as const;
/** Calls of one user and app that are read to find a burst: more than a minute has of them. */
const MOST_CALLS = 1000;

/**
 * Looks at the last 15 minutes of the trail and raises what the rules find (SP-38): a record `anomaly.raised`, and a
 * count. Every replica does so once a minute; a finding about one user and app is raised once in an hour, by one of them.
 * The database counts, so that no number of records about some hides what there is about others.
 *
 * @returns what was raised
 */
export async function watchForAnomalies(now: Date, { database, metrics }: AnomalyWatchDeps): Promise<Finding[]> {
  const log = createAuditLog(database);
  const since = new Date(now.getTime() - WATCHED_MINUTES * MINUTE_MS);
  const findings = [
    ...(await repeatedFailures(log, since)),
    ...(await bursts(log, since)),
    ...(await oddHours(log, since)),
  ];
  const raised: Finding[] = [];
  for (const finding of findings) {
    const event = eventOf(finding, now);
    if ((await log.recordOnce([event])) > 0) {
      metrics.anomaly(finding.kind);
      raised.push(finding);
    }
  }
  return raised;
}

async function repeatedFailures(log: AuditLog, since: Date): Promise<Finding[]> {
  const groups = await log.countByParties({ outcome: 'denied', since, atLeast: FAILURES });
  return groups.map((found) => ({ kind: 'repeated_failures', ...found }));
}

async function bursts(log: AuditLog, since: Date): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { count, ...parties } of await log.countByParties({ ...CALLS, since, atLeast: BURST_CALLS })) {
    const calls = await log.list({ ...CALLS, ...parties, since, limit: MOST_CALLS });
    const most = mostInAMinute(calls.map(({ time }) => time));
    if (most >= BURST_CALLS) findings.push({ kind: 'burst', ...parties, count: most });
  }
  return findings;
}

/**
 * The last call of each user and app, against the hours in which they called in the 30 days before. Who has called in the
 * hour before that was judged when they began.
 */
async function oddHours(log: AuditLog, since: Date): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { last, ...parties } of await log.callersWhoCameBack(since)) {
    const range = { since: new Date(last.getTime() - HABIT_MS), until: new Date(last.getTime() - HOUR_MS) };
    const before = await log.callHours({ ...parties, ...range });
    if (isOddHour(last, before)) findings.push({ kind: 'odd_hours', ...parties, count: 1 });
  }
  return findings;
}

/** The id follows from what was found and the hour, so that of all replicas one raises it. */
function eventOf({ kind, count, ...parties }: Finding, now: Date): AuditEvent & { id: string } {
  const hour = Math.floor(now.getTime() / HOUR_MS);
  const what = createHash('sha256')
    .update(JSON.stringify([kind, parties.subject ?? null, parties.client ?? null, hour]))
    .digest('hex');
  const id = `${(hour * HOUR_MS).toString(16).padStart(12, '0')}${what.slice(0, 20)}`;
  return { id, time: now, type: 'anomaly.raised', outcome: 'denied', ...parties, detail: { kind, count } };
}
