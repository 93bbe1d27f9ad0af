import type { User, UserStore } from '@portcullis/persistence';
import type { AuditEvent, AuditSink, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import type { LoginMetrics } from '../metrics.ts';
import type { PasswordVerifier } from '../passwords.ts';
import type { TokenRefusals } from '../provider/token-refusals.ts';
import { formOf } from './form.ts';
import type { KnownDevices } from './known-device.ts';
import type { SignInLimits } from './sign-in-limits.ts';

/** One wording for a wrong password, an unknown user and too many tries, so that a stranger learns nothing (SP-39). */
const REFUSED =
  'That did not work. Check the e-mail address and the password. After many failed tries, wait 15 minutes.';

/** What checking a password needs. */
export type PasswordCheckDeps = {
  users: UserStore;
  verifyPassword: PasswordVerifier;
  limits: SignInLimits;
  devices: KnownDevices;
  audit: AuditSink;
  /** Takes what anybody can cause without end. */
  refusals: TokenRefusals;
  logins: LoginMetrics;
  clock: Clock;
};

/** Whether a password is that of a user who may sign in. */
export type PasswordCheck =
  | { ok: true; user: User & { passwordHash: string } }
  | { ok: false; refusal: { reason: 'too_many_failures' } | { reason: 'no_match'; userId: string | undefined } };

/** Checks a password within the limits of failures, and remembers the browser of whoever knew it. */
export async function checkPassword(
  ctx: Context,
  { email, password }: { email: string; password: string },
  deps: PasswordCheckDeps,
): Promise<PasswordCheck> {
  const attempt = { email, address: requestContext(ctx).address, device: deps.devices.recognise(ctx, email) };
  const allowance = await deps.limits.take(attempt);
  if (!allowance.allowed) {
    ctx.set('Retry-After', String(allowance.retryAfterSeconds));
    return { ok: false, refusal: { reason: 'too_many_failures' } };
  }
  const user = await deps.users.findByEmail(email);
  const usable = user && !user.disabledAt ? user : undefined;
  const verified = await deps.verifyPassword(usable?.passwordHash ?? undefined, password);
  if (!verified || !usable || usable.passwordHash === null)
    return { ok: false, refusal: { reason: 'no_match', userId: user?.id } };
  await deps.limits.giveBack(attempt);
  if (attempt.device === undefined) deps.devices.remember(ctx, email);
  return { ok: true, user: { ...usable, passwordHash: usable.passwordHash } };
}

/** What came of a posted sign-in form. */
export type SignInAttempt = { ok: true; user: User } | { ok: false; problem: SignInProblem };

/** What the form says when it is shown again. */
type SignInProblem = { text: string; email: string; status: 400 | 429 };

/** Reads a sign-in form, checks it, and records what came of it; `what` says what was signed in for, if anything. */
export async function attemptSignIn(
  ctx: Context,
  what: Pick<AuditEvent, 'client' | 'resource'>,
  deps: PasswordCheckDeps,
): Promise<SignInAttempt> {
  const form = formOf(ctx);
  const email = (form.text('email') ?? '').trim().toLowerCase().slice(0, 320);
  const check = await checkPassword(ctx, { email, password: form.text('password') ?? '' }, deps);
  if (check.ok) deps.logins.succeeded('password');
  else deps.logins.failed({ way: 'password', reason: check.refusal.reason });
  await recordSignIn(ctx, { event: { ...what, ...recordOf(check) }, check }, deps);
  if (check.ok) return check;
  const status = check.refusal.reason === 'too_many_failures' ? 429 : 400;
  return { ok: false, problem: { text: REFUSED, email, status } };
}

function recordOf(check: PasswordCheck): Pick<AuditEvent, 'outcome' | 'detail'> & { subject?: string } {
  if (check.ok) return { outcome: 'success', subject: check.user.id };
  switch (check.refusal.reason) {
    case 'too_many_failures':
      return { outcome: 'denied', detail: { reason: 'too many failures' } };
    case 'no_match': {
      const { userId } = check.refusal;
      const detail = { reason: 'wrong password or unknown user' };
      return { outcome: 'denied', detail, ...(userId !== undefined && { subject: userId }) };
    }
  }
}

async function recordSignIn(
  ctx: Context,
  { event, check }: { event: Omit<AuditEvent, 'time' | 'type'>; check: PasswordCheck },
  { audit, refusals, clock }: PasswordCheckDeps,
): Promise<void> {
  const { address, correlationId } = requestContext(ctx);
  // The limits bound how many passwords are tried; how many tries they turn away nothing does.
  const isThrottled = !check.ok && check.refusal.reason === 'too_many_failures';
  const sink = isThrottled ? refusals : audit;
  await sink.record({ time: clock(), type: 'user.signed_in', address, correlationId, ...event });
}
