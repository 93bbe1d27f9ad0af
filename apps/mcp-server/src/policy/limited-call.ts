import type { ToolOutcome, ToolRefusalReason } from '../tools/tool.ts';
import type { Limits } from './limits.ts';
import { withinTime } from './time-limit.ts';

type AnyOutcome = ToolOutcome<Record<string, unknown>>;

/** Runs one call of a tool within its time, and keeps back an answer that is too large for a model to be of use. */
export async function limitedCall(
  call: (signal: AbortSignal) => Promise<AnyOutcome>,
  { toolTimeoutMs, resultSizeBytes }: Pick<Limits, 'toolTimeoutMs' | 'resultSizeBytes'>,
  signal: AbortSignal,
): Promise<AnyOutcome> {
  const timed = await withinTime(call, { timeoutMs: toolTimeoutMs, signal });
  if (!timed.ended) return refused(timed.reason, WORDS[timed.reason]);
  const { value: outcome } = timed;
  if (outcome.ok && Buffer.byteLength(JSON.stringify(outcome.value)) > resultSizeBytes) {
    return refused(
      'result-too-large',
      `The answer would have more than ${resultSizeBytes} bytes. Ask for less at once.`,
    );
  }
  return outcome;
}

const WORDS = {
  'timed-out': 'The tool did not finish in time and was stopped. Ask for less at once, or try again later.',
  cancelled: 'The call was cancelled.',
};

function refused(reason: ToolRefusalReason, message: string): AnyOutcome {
  return { ok: false, refusal: { reason, message } };
}
