import type { AuditEvent, AuditSink } from '@portcullis/platform';
import type { TokenMetrics } from '../metrics.ts';

/** What somebody who watches the server should hear of (SP-38). */
export const ANOMALIES = [
  'refresh_token_reuse',
  'code_reuse',
  'replay_from_another_network',
  'repeated_replays',
  'audit_trail_rewritten',
  'last_administrator',
  'repeated_failures',
  'burst',
  'odd_hours',
] as const;

/** One of {@link ANOMALIES}. */
export type Anomaly = (typeof ANOMALIES)[number];

/** Raises an anomaly: a record of its own beside that of what happened, and a count. */
export async function raiseAnomaly(
  { audit, metrics }: { audit: AuditSink; metrics: TokenMetrics },
  { kind, ...event }: Omit<AuditEvent, 'type' | 'outcome'> & { kind: Anomaly },
): Promise<void> {
  metrics.anomaly(kind);
  await audit.record({ ...event, type: 'anomaly.raised', outcome: 'denied', detail: { ...event.detail, kind } });
}
