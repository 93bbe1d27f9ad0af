import type { Context } from 'koa';
import type { InteractionResults } from 'oidc-provider';
import { sendPage } from '../http/send-page.ts';
import { loginPage } from '../pages/login.ts';
import { formOf } from './form.ts';
import { attemptSignIn, type PasswordCheckDeps, type SignInProblem } from './password-check.ts';
import type { Step } from './step.ts';

/** What signing in needs. */
export type LoginDeps = PasswordCheckDeps;

/** Shows the sign-in form. */
export function showLogin(ctx: Context, step: Step, problem?: SignInProblem): void {
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
  if (formOf(ctx).text('action') !== 'login')
    return { error: 'access_denied', error_description: 'the user did not sign in' };
  const attempt = await attemptSignIn(ctx, { client: step.clientId, resource: step.resource.url }, deps);
  if (!attempt.ok) {
    showLogin(ctx, step, attempt.problem);
    return undefined;
  }
  const { id: accountId, accessEpoch } = attempt.user;
  return { login: { accountId, remember: true, accessEpoch } };
}
