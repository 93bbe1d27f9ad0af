import type { AuditEvent, AuditSink } from '@portcullis/platform';
import type { TrailAnomaly } from '../audit-trail/anomaly-rules.ts';
import type { TokenMetrics } from '../metrics.ts';
import type { Suspicion } from './replay.ts';

/** What somebody who watches the server should hear of (SP-38). */
export type Anomaly =
  | Suspicion
  | 'refresh_token_reuse'
  | 'code_reuse'
  | 'audit_trail_rewritten'
  | 'last_administrator'
  | TrailAnomaly;

/** Raises an anomaly: a record of its own beside that of what happened, and a count. */
export async function raiseAnomaly(
  { audit, metrics }: { audit: AuditSink; metrics: TokenMetrics },
  { kind, ...event }: Omit<AuditEvent, 'type' | 'outcome'> & { kind: Anomaly },
): Promise<void> {
  metrics.anomaly(kind);
  await audit.record({ ...event, type: 'anomaly.raised', outcome: 'denied', detail: { ...event.detail, kind } });
}
