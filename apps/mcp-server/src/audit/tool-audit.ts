import type { Refusal } from '@portcullis/guard';
import { type Logger, type ReportedAuditRecord, timeOrderedIds } from '@portcullis/platform';
import type { Call } from '../desk-server.ts';
import { callRecord } from './call-record.ts';
import { type RequestOrigin, refusalWindow } from './refusal-window.ts';
import { repeatedRefusals } from './repeated-refusals.ts';
import type { Sender } from './sender.ts';
import type { Spool } from './spool.ts';
import { outcomeOf, type ToolDecision } from './tool-decision.ts';

/** One decision about one tool call. */
export type ToolCall = {
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
  /** Set where {@link ToolAudit.isReady} let the call begin: a place for its record is kept. */
  hasBegun?: true;
};

/** Told of every decision about a tool call, once for each call, and of requests that were turned away. */
export type ToolAudit = {
  /** Whether the next call could be recorded. No call is made that could not. */
  isReady(): boolean;
  /**
   * False where the call could not be recorded: then nothing of its answer may leave. Of refusals that a caller can have
   * without bound only the first are recorded one by one.
   */
  record(call: ToolCall): boolean;
  /** Told of requests that were turned away before anybody was known to have sent them. */
  turnedAway(refusal: Refusal, origin: RequestOrigin | undefined): void;
};

/** Writes decisions into the log: who, which tool, how it ended; never the arguments. */
export function logToolCalls(logger: Logger): ToolAudit {
  return {
    isReady: () => true,
    record({ decision, tool, call, durationMs, sizeBytes, cause }) {
      const { subject, clientId } = call.principal;
      const fields = { tool: tool.slice(0, 100), decision, subject, clientId, correlationId: call.correlationId };
      const measured = { durationMs: Math.round(durationMs), ...(sizeBytes !== undefined && { sizeBytes }) };
      const level = outcomeOf(decision) === 'error' ? 'error' : 'info';
      logger[level]({ ...fields, ...measured, ...(cause !== undefined && { err: cause }) }, 'tool called');
      return true;
    },
    turnedAway: ({ reason }, origin) =>
      logger.info({ reason, correlationId: origin?.correlationId }, 'a request was turned away'),
  };
}

/** What the audit trail needs on this side. */
export type AuditTrailDeps = { spool: Spool; sender: Pick<Sender, 'wake'>; logger: Logger; now(): Date };

const SUM_INTERVAL_MS = 10_000;

/**
 * Writes decisions into the log and into the spool of the audit trail (SP-37). A call waits for no other server. What
 * cannot be recorded is not done: while the spool is full, no tool is called.
 */
export function recordToolCalls({ spool, sender, logger, now }: AuditTrailDeps): ToolAudit & { close(): void } {
  const log = logToolCalls(logger);
  const nextId = timeOrderedIds();
  const refusals = refusalWindow(nextId);
  const repeated = repeatedRefusals(nextId);
  const spooled = (record: ReportedAuditRecord, { mayUseReserve = false } = {}): boolean => {
    try {
      if (!spool.append(JSON.stringify(record), { mayUseReserve })) return false;
      sender.wake();
      return true;
    } catch (cause) {
      logger.error({ err: cause }, 'an audit record could not be written');
      return false;
    }
  };
  const sumUp = () => {
    // What was counted stays counted until there is a place for it.
    if (spool.isFull()) return;
    const record = refusals.sum(now());
    if (record) spooled(record);
    for (const each of repeated.sum(now())) spooled(each);
  };
  const summing = setInterval(sumUp, SUM_INTERVAL_MS).unref();
  return {
    isReady: () => !spool.isFull(),
    record(call) {
      log.record(call);
      const at = now();
      if (!repeated.isRecorded(call, at)) return true;
      return spooled(callRecord(call, { id: nextId(at), now: at }), { mayUseReserve: call.hasBegun ?? false });
    },
    turnedAway(refusal, origin) {
      log.turnedAway(refusal, origin);
      const record = refusals.note(refusal, origin, now());
      if (record) spooled(record);
    },
    close: () => clearInterval(summing),
  };
}
