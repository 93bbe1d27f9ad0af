import { createAuditLog, type Database, inTransaction } from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { AdminCall, AdminOutcome } from './handler.ts';
import type { AdminRefusal } from './problem.ts';

/** What of an audit event a change knows itself. */
type ChangeEvent = Pick<AuditEvent, 'type'> & Pick<Partial<AuditEvent>, 'client' | 'resource' | 'detail'>;

/** What a change comes to: its answer and what is recorded of it, or a refusal that undoes whatever was written. */
export type ChangeOutcome<Answer> =
  | { ok: true; answer: Answer; event: ChangeEvent }
  | { ok: false; refusal: AdminRefusal };

/** Who, from where and when; a call has it. */
export type ChangeContext = Pick<AdminCall, 'by' | 'now' | 'address' | 'correlationId'>;

/** Takes a transaction back because of a refusal. */
class Refused extends Error {
  readonly refusal: AdminRefusal;

  constructor(refusal: AdminRefusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

/** Makes a change and its audit record in one transaction: neither is there without the other. */
export async function recordedChange<Answer>(
  database: Database,
  context: ChangeContext,
  change: (within: Database) => Promise<ChangeOutcome<Answer>>,
): Promise<AdminOutcome<Answer>> {
  try {
    return await inTransaction(database, async (within) => {
      const outcome = await change(within);
      if (!outcome.ok) throw new Refused(outcome.refusal);
      await createAuditLog(within).record(eventOf(context, outcome.event));
      return { ok: true, answer: outcome.answer };
    });
  } catch (cause) {
    if (cause instanceof Refused) return { ok: false, refusal: cause.refusal };
    throw cause;
  }
}

function eventOf({ by, now, address, correlationId }: ChangeContext, event: ChangeEvent): AuditEvent {
  return {
    time: now,
    outcome: 'success',
    subject: by.subject,
    client: by.clientId,
    address,
    correlationId,
    ...event,
    detail: { ...event.detail, through: by.clientId },
  };
}
