import type { ReportedAuditRecord } from '@portcullis/platform';
import { redactedArguments } from './redacted-arguments.ts';
import type { ToolCall } from './tool-audit.ts';
import { outcomeOf, type ToolDecision } from './tool-decision.ts';

const LARGEST_ARGUMENTS_BYTES = 4096;
/**
 * Nobody read the arguments of these: there was no such tool for the caller, or the call was one too many. Those of a
 * question to the user are kept by whoever asks it, encrypted and for as long as it is open.
 */
const WITHOUT_ARGUMENTS: ReadonlySet<ToolDecision> = new Set<ToolDecision>([
  'unknown-tool',
  'hidden-tool',
  'over-limit',
  'awaiting-confirmation',
]);
const LARGEST_NUMBER = 2_147_483_647;

/** The audit record of a tool call: who called what, how it ended, from where, and how long it took. */
export function callRecord(
  { decision, tool, arguments: args, call, durationMs, sizeBytes }: ToolCall,
  { id, now }: { id: string; now: Date },
): ReportedAuditRecord {
  const { principal, correlationId, address } = call;
  return {
    id,
    time: now.toISOString(),
    type: 'tool.called',
    outcome: outcomeOf(decision),
    subject: principal.subject.slice(0, 300),
    client: principal.clientId.slice(0, 2048),
    tool: tool.slice(0, 100),
    address: address.slice(0, 64),
    correlationId,
    durationMs: whole(durationMs),
    ...(sizeBytes !== undefined && { sizeBytes: whole(sizeBytes) }),
    ...(!WITHOUT_ARGUMENTS.has(decision) && { arguments: bounded(redactedArguments(args)) }),
    detail: { decision },
  };
}

function whole(value: number): number {
  return Math.min(Math.max(Math.round(value), 0), LARGEST_NUMBER);
}

function bounded(args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const sizeBytes = Buffer.byteLength(JSON.stringify(args));
  return sizeBytes <= LARGEST_ARGUMENTS_BYTES ? { ...args } : { '…': `${sizeBytes} bytes` };
}
