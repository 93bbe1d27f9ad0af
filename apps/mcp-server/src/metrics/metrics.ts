import type { Refusal } from '@portcullis/guard';
import {
  createProcessMetrics,
  type ProcessMetrics,
  type WatchRequest,
  watchRequests,
} from '@portcullis/platform/watching';
import type { ToolCall } from '../audit/tool-audit.ts';
import { outcomeOf } from '../audit/tool-decision.ts';
import type { AdmissionRefusal } from '../policy/admission.ts';

/** Everything that this server counts and measures. */
export type Metrics = Pick<ProcessMetrics, 'gauge' | 'addProcess' | 'text' | 'contentType'> & {
  watchRequest: WatchRequest;
  /** One decision about one tool call. */
  called(call: Pick<ToolCall, 'tool' | 'decision' | 'durationMs'>): void;
  /** A request that was turned away before its message was read. */
  turnedAway(refusal: Refusal): void;
  /** A message that met a limit. */
  limitHit(reason: AdmissionRefusal['reason']): void;
};

/** Where somebody called a tool that is none of ours: one label, whatever it was called. */
const NO_TOOL = 'unknown';

/** Counts for one server; `toolNames` are all tools that it has. */
export function createMetrics(toolNames: ReadonlySet<string>): Metrics {
  const metrics = createProcessMetrics();
  const { counter, histogram, gauge, addProcess, text, contentType } = metrics;
  const calls = counter('portcullis_tool_calls_total', 'Calls of tools, by what became of them.', ['tool', 'decision']);
  const times = histogram(
    'portcullis_tool_call_duration_seconds',
    'Calls of tools that were let through, from the call to its answer.',
    ['tool', 'outcome'],
  );
  const refusals = counter('portcullis_guard_refusals_total', 'Requests that the guard turned away, by reason.', [
    'reason',
  ]);
  const limitHits = counter('portcullis_limiter_hits_total', 'What a limit has turned away, by limit.', ['limit']);
  return {
    ...{ gauge, addProcess, text, contentType },
    watchRequest: watchRequests(metrics),
    called({ tool: name, decision, durationMs }) {
      const tool = toolNames.has(name) ? name : NO_TOOL;
      calls.inc({ tool, decision });
      // What was refused before the tool ran took no time.
      if (durationMs > 0) times.observe({ tool, outcome: outcomeOf(decision) }, durationMs / 1000);
    },
    turnedAway: ({ reason }) => refusals.inc({ reason }),
    limitHit: (limit) => limitHits.inc({ limit }),
  };
}
