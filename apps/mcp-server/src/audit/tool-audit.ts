import type { Logger } from '@portcullis/platform';
import type { Call } from '../desk-server.ts';
import { outcomeOf, type ToolDecision } from './tool-decision.ts';

/** One decision about one tool call. */
type ToolCall = {
  decision: ToolDecision;
  /** As the caller wrote it: there may be no such tool. */
  tool: string;
  arguments: unknown;
  call: Call;
  /** From the arrival of the call to its answer. */
  durationMs: number;
  /** Of the answer, where there is one. */
  sizeBytes?: number;
  /** Of a fault; for the log alone. */
  cause?: unknown;
};

/** Told of every decision about a tool call, once for each call. */
export type ToolAudit = { record(call: ToolCall): void };

/** Writes decisions into the log: who, which tool, how it ended; never the arguments. */
export function logToolCalls(logger: Logger): ToolAudit {
  return {
    record({ decision, tool, call, durationMs, sizeBytes, cause }) {
      const { subject, clientId } = call.principal;
      const fields = { tool: tool.slice(0, 100), decision, subject, clientId, correlationId: call.correlationId };
      const measured = { durationMs: Math.round(durationMs), ...(sizeBytes !== undefined && { sizeBytes }) };
      const level = outcomeOf(decision) === 'error' ? 'error' : 'info';
      logger[level]({ ...fields, ...measured, ...(cause !== undefined && { err: cause }) }, 'tool called');
    },
  };
}
