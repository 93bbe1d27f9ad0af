import type { AuditOutcome } from '@portcullis/platform';

/**
 * What became of one tool call. A closed set: whatever ends a call has its word here.
 *
 * - `success`: the tool answered with a value
 * - `impossible`: the tool answered in words that it cannot be done, such as for an object of somebody else
 * - `invalid-arguments`: they do not fit the schema
 * - `failed`: a fault of ours
 * - `timed-out`: ended when its time was over
 * - `cancelled`: ended because its caller was gone
 * - `result-too-large`: its answer was kept back
 * - `unknown-tool`: there is none of that name
 * - `hidden-tool`: there is one, which this caller may not know of
 * - `insufficient-scope`: the caller was told which scopes to ask for
 * - `over-limit`: too many calls, or too many at once
 * - `awaiting-confirmation`: the user was asked first
 * - `not-confirmed`: the user said no, or the confirmation was not for this call
 * - `not-recordable`: it was not made, because it could not have been recorded
 */
export type ToolDecision =
  | 'success'
  | 'impossible'
  | 'invalid-arguments'
  | 'failed'
  | 'timed-out'
  | 'cancelled'
  | 'result-too-large'
  | 'unknown-tool'
  | 'hidden-tool'
  | 'insufficient-scope'
  | 'over-limit'
  | 'awaiting-confirmation'
  | 'not-confirmed'
  | 'not-recordable';

/** How the audit trail counts a decision: done, failed, or refused (SP-37). */
export function outcomeOf(decision: ToolDecision): AuditOutcome {
  switch (decision) {
    case 'success':
      return 'success';
    case 'failed':
    case 'timed-out':
    case 'cancelled':
    case 'not-recordable':
      return 'error';
    case 'impossible':
    case 'invalid-arguments':
    case 'unknown-tool':
    case 'hidden-tool':
    case 'insufficient-scope':
    case 'over-limit':
    case 'result-too-large':
    case 'awaiting-confirmation':
    case 'not-confirmed':
      return 'denied';
  }
}
