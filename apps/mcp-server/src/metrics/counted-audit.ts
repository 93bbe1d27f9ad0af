import type { ToolAudit } from '../audit/tool-audit.ts';
import type { Metrics } from './metrics.ts';

/** The same audit, of which each decision is counted; it is told of every one, once. */
export function countedAudit<Audit extends ToolAudit>(
  audit: Audit,
  metrics: Pick<Metrics, 'called' | 'turnedAway'>,
): Audit {
  return {
    ...audit,
    record(call) {
      metrics.called(call);
      return audit.record(call);
    },
    turnedAway(refusal, origin) {
      metrics.turnedAway(refusal);
      audit.turnedAway(refusal, origin);
    },
  };
}
