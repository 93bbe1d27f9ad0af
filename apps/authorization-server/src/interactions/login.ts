import type { UserStore } from '@portcullis/persistence';
import type { AuditSink, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import type { InteractionResults } from 'oidc-provider';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import { loginPage } from '../pages/login.ts';
import type { PasswordVerifier } from '../passwords.ts';
import { formOf } from './form.ts';
import type { KnownDevices } from './known-device.ts';
import type { SignInLimits } from './sign-in-limits.ts';
import type { Step } from './step.ts';

/** One wording for a wrong password, an unknown user and too many tries, so that a stranger learns nothing (SP-39). */
const REFUSED =
  'That did not work. Check the e-mail address and the password. After many failed tries, wait 15 minutes.';

/** What signing in needs. */
export type LoginDeps = {
  users: UserStore;
  verifyPassword: PasswordVerifier;
  limits: SignInLimits;
  devices: KnownDevices;
  audit: AuditSink;
  clock: Clock;
};

/** Shows the sign-in form. */
export function showLogin(ctx: Context, step: Step, problem?: { text: string; email: string; status: number }): void {
  const page = loginPage({
    action: step.action,
    formToken: step.formToken,
    clientName: step.clientName,
    clientHost: step.clientHost,
    resourceName: step.resource.name,
    email: problem?.email,
    problem: problem?.text,
  });
  sendPage(ctx, page, problem?.status);
}

/** Handles the posted form; returns the result for the engine, or nothing when the form was shown again. */
export async function submitLogin(ctx: Context, step: Step, deps: LoginDeps): Promise<InteractionResults | undefined> {
  const form = formOf(ctx);
  if (form.text('action') !== 'login') return { error: 'access_denied', error_description: 'the user did not sign in' };
  const email = (form.text('email') ?? '').trim().toLowerCase().slice(0, 320);
  const attempt = { email, address: requestContext(ctx).address, device: deps.devices.recognise(ctx, email) };
  const refuse = (status: number) => showLogin(ctx, step, { text: REFUSED, email, status });

  const allowance = await deps.limits.take(attempt);
  if (!allowance.allowed) {
    ctx.set('Retry-After', String(allowance.retryAfterSeconds));
    await recordSignIn(ctx, step, { deps, outcome: 'denied', detail: { reason: 'too many failures' } });
    refuse(429);
    return undefined;
  }

  const user = await deps.users.findByEmail(email);
  const usable = user && !user.disabledAt ? user : undefined;
  const verified = await deps.verifyPassword(usable?.passwordHash ?? undefined, form.text('password') ?? '');
  if (!usable || !verified) {
    await recordSignIn(ctx, step, {
      deps,
      outcome: 'denied',
      subject: user?.id,
      detail: { reason: 'wrong password or unknown user' },
    });
    refuse(400);
    return undefined;
  }

  await deps.limits.giveBack(attempt);
  if (attempt.device === undefined) deps.devices.remember(ctx, email);
  await recordSignIn(ctx, step, { deps, outcome: 'success', subject: usable.id });
  return { login: { accountId: usable.id, remember: true } };
}

type SignInRecord = {
  deps: LoginDeps;
  outcome: 'success' | 'denied';
  subject?: string | undefined;
  detail?: Record<string, string>;
};

async function recordSignIn(ctx: Context, step: Step, { deps, outcome, subject, detail }: SignInRecord): Promise<void> {
  const { address, correlationId } = requestContext(ctx);
  await deps.audit.record({
    time: deps.clock(),
    type: 'user.signed_in',
    outcome,
    address,
    correlationId,
    client: step.clientId,
    resource: step.resource.url,
    ...(subject !== undefined && { subject }),
    ...(detail && { detail }),
  });
}
