import { createHash } from 'node:crypto';
import { type AuditLog, createAuditLog, type Database } from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { TokenMetrics } from '../metrics.ts';
import { type Finding, findAnomalies, isOddHour, keyOf, WATCHED_MINUTES, type WatchedRecord } from './anomaly-rules.ts';

/** What the watch works with. */
export type AnomalyWatchDeps = { database: Database; metrics: TokenMetrics };

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const HABIT_MS = 30 * 24 * HOUR_MS;
/** So many records of one look are read: what raises more is found in fewer. */
const MOST_RECORDS = 5000;
const PAGE = 1000;

/**
 * Looks at the newest records of the trail and raises what the rules find (SP-38): a record `anomaly.raised`, and a
 * count. Every replica does so once a minute; a finding about one user and app is raised once in an hour, by one of them.
 *
 * @returns what was raised
 */
export async function watchForAnomalies(now: Date, { database, metrics }: AnomalyWatchDeps): Promise<Finding[]> {
  const log = createAuditLog(database);
  const recent = await readSince(log, new Date(now.getTime() - WATCHED_MINUTES * MINUTE_MS));
  const findings = [...findAnomalies(recent), ...(await oddHours(log, recent))];
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

async function readSince(log: AuditLog, since: Date): Promise<WatchedRecord[]> {
  const records: WatchedRecord[] = [];
  let before: string | undefined;
  do {
    const page = await log.list({ since, limit: PAGE, ...(before !== undefined && { before }) });
    records.push(...page);
    before = page.length === PAGE ? page.at(-1)?.id : undefined;
  } while (before !== undefined && records.length < MOST_RECORDS);
  return records;
}

/** The last call of each user and app, against the hours in which they called in the 30 days before. */
async function oddHours(log: AuditLog, recent: readonly WatchedRecord[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  const calls = recent.filter(({ type, subject, client }) => type === 'tool.called' && subject && client);
  for (const [, [last]] of Map.groupBy(calls, keyOf)) {
    if (last?.subject === undefined || last.client === undefined) continue;
    const { subject, client, time } = last;
    const range = { since: new Date(time.getTime() - HABIT_MS), until: new Date(time.getTime() - HOUR_MS) };
    const before = await log.callHours({ subject, client, ...range });
    if (isOddHour(time, before)) findings.push({ kind: 'odd_hours', subject, client, count: 1 });
  }
  return findings;
}

/** The id follows from what was found and the hour, so that of all replicas one raises it. */
function eventOf({ kind, count, ...parties }: Finding, now: Date): AuditEvent & { id: string } {
  const hour = Math.floor(now.getTime() / HOUR_MS);
  const what = createHash('sha256')
    .update(JSON.stringify([kind, keyOf(parties), hour]))
    .digest('hex');
  const id = `${(hour * HOUR_MS).toString(16).padStart(12, '0')}${what.slice(0, 20)}`;
  return { id, time: now, type: 'anomaly.raised', outcome: 'denied', ...parties, detail: { kind, count } };
}
