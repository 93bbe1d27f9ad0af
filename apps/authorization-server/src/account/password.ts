import { changePassword, type Database, type LinkedIdentity } from '@portcullis/persistence';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import { formOf } from '../interactions/form.ts';
import { checkPassword, type PasswordCheckDeps } from '../interactions/password-check.ts';
import { hashPassword, passwordProblem } from '../passwords.ts';
import type { AccountSession, AccountSessions } from './session.ts';

/** What changing a password needs. */
export type PasswordChangeDeps = PasswordCheckDeps & { database: Database; sessions: AccountSessions };

/** What came of a posted form: done, or what the page says when it is shown again. */
export type PasswordChangeOutcome =
  | { ok: true; removed: readonly LinkedIdentity[] }
  | { ok: false; status: 400 | 429; problem: string };

const WRONG = 'That is not your present password. After many failed tries, wait 15 minutes.';

/**
 * Changes the password of whoever is signed in and knows the present one, within the limits of the sign-in. All that
 * was opened with the old password is ended, this very session too; the browser gets a new one.
 */
export async function submitPasswordChange(
  ctx: Context,
  { session, email }: { session: AccountSession; email: string },
  deps: PasswordChangeDeps,
): Promise<PasswordChangeOutcome> {
  const form = formOf(ctx);
  const password = form.text('password') ?? '';
  const problem = passwordProblem(password);
  if (problem !== undefined) return { ok: false, status: 400, problem };
  const check = await checkPassword(ctx, { email, password: form.text('current_password') ?? '' }, deps);
  const origin = originOf(ctx);
  if (!check.ok) {
    const { reason } = check.refusal;
    // The limits bound how many passwords are tried; how many tries they turn away nothing does.
    const sink = reason === 'no_match' ? deps.audit : deps.refusals;
    await sink.record({
      time: deps.clock(),
      type: 'user.password_set',
      outcome: 'denied',
      subject: session.userId,
      ...origin,
      detail: { by: 'account page', reason: reason === 'no_match' ? 'wrong password' : 'too many failures' },
    });
    return { ok: false, status: reason === 'no_match' ? 400 : 429, problem: WRONG };
  }
  const { id: userId, passwordHash: presentHash } = check.user;
  const ended = await changePassword(deps.database, {
    userId,
    passwordHash: await hashPassword(password),
    proof: { presentHash },
    now: deps.clock(),
    origin,
  });
  if (!ended) return { ok: false, status: 400, problem: WRONG };
  await deps.sessions.begin(ctx, { id: userId, accessEpoch: ended.accessEpoch });
  return { ok: true, removed: ended.identities };
}

function originOf(ctx: Context): { address: string; correlationId: string } {
  const { address, correlationId } = requestContext(ctx);
  return { address, correlationId };
}
