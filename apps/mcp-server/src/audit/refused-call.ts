import type { McpMessage, OperationRefusal } from '@portcullis/guard';
import type { Call } from '../desk-server.ts';
import type { ToolAudit } from './tool-audit.ts';
import type { ToolDecision } from './tool-decision.ts';

/** Records a tool call that the guard refused. Of the other messages that it refuses the log alone is told. */
export function recordRefusedCall(
  audit: ToolAudit,
  refusal: OperationRefusal,
  { message: { method, params }, call }: { message: McpMessage; call: Call },
): void {
  if (method !== 'tools/call') return;
  const { name, arguments: args } = typeof params === 'object' && params !== null ? readCall(params) : {};
  audit.record({
    decision: decisionOf(refusal),
    tool: typeof name === 'string' ? name : '',
    arguments: args,
    call,
    durationMs: 0,
  });
}

function readCall(params: object): { name?: unknown; arguments?: unknown } {
  return params;
}

function decisionOf({ reason }: OperationRefusal): ToolDecision {
  switch (reason) {
    case 'undeclared':
      return 'unknown-tool';
    case 'hidden':
      return 'hidden-tool';
    case 'insufficient_scope':
      return 'insufficient-scope';
  }
}
