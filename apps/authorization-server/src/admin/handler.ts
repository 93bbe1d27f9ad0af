import type { AdminAnswer, AdminOperationName, AdminRequest } from '@portcullis/platform';
import type { Administrator } from './administrator.ts';
import type { AdminRefusal } from './problem.ts';

/** A checked request to the admin API, and who sent it. */
export type AdminCall<Name extends AdminOperationName = AdminOperationName> = AdminRequest<Name> & {
  /** What stands in the path, by name. */
  params: Readonly<Record<string, string>>;
  by: Administrator;
  now: Date;
  address: string;
  correlationId: string;
};

/** What came of it. */
export type AdminOutcome<Answer> = { ok: true; answer: Answer } | { ok: false; refusal: AdminRefusal };

/** Carries out one operation. */
type AdminHandler<Name extends AdminOperationName> = (
  call: AdminCall<Name>,
) => Promise<AdminOutcome<AdminAnswer<Name>>>;

/** The handlers of the operations that are named. */
export type AdminHandlers<Names extends AdminOperationName = AdminOperationName> = {
  [Name in Names]: AdminHandler<Name>;
};

/** A refusal as an outcome. */
export function refuse(refusal: AdminRefusal): { ok: false; refusal: AdminRefusal } {
  return { ok: false, refusal };
}
