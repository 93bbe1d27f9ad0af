import type { Context } from 'koa';
import type { InteractionResults } from 'oidc-provider';
import { FRESH_SIGN_IN_SECONDS } from '../admin/admin-resource.ts';
import { sendPage } from '../http/send-page.ts';
import { loginPage } from '../pages/login.ts';
import { FEDERATED } from '../provider/session-cookie.ts';
import { namedProviders, placeOfInteraction } from '../upstream/sign-in-flow.ts';
import { formOf } from './form.ts';
import { attemptSignIn, type PasswordCheckDeps } from './password-check.ts';
import type { Step } from './step.ts';
import {
  finishUpstreamSignIn,
  isFresh,
  startUpstreamSignIn,
  type UpstreamSignIn,
  type UpstreamSignInDeps,
} from './upstream-sign-in.ts';

/** What signing in needs. */
export type LoginDeps = PasswordCheckDeps & UpstreamSignInDeps;

/** Shows the sign-in form, or finishes a sign-in through an upstream that came back. */
export async function showLogin(ctx: Context, step: Step, deps: LoginDeps): Promise<InteractionResults | undefined> {
  const what = { client: step.clientId, resource: step.resource.url };
  const signIn = await finishUpstreamSignIn(ctx, { place: placeOfInteraction(step.uid), what }, deps);
  if (signIn?.ok) return upstreamResult(ctx, step, { signIn, deps });
  showForm(ctx, step, { deps, problem: signIn?.problem });
  return undefined;
}

type Problem = { text: string; email?: string; status: number };

function showForm(
  ctx: Context,
  step: Step,
  { deps, problem }: { deps: LoginDeps; problem?: Problem | undefined },
): void {
  const page = loginPage({
    action: step.action,
    formToken: step.formToken,
    clientName: step.clientName,
    clientHost: step.clientHost,
    resourceName: step.resource.name,
    providers: namedProviders(deps.signInProviders),
    email: problem?.email,
    problem: problem?.text,
  });
  sendPage(ctx, page, problem?.status);
}

/** Handles the posted form; returns the result for the engine, or nothing when the form was shown again. */
export async function submitLogin(ctx: Context, step: Step, deps: LoginDeps): Promise<InteractionResults | undefined> {
  const provider = formOf(ctx).text('provider');
  if (provider !== undefined && deps.signInProviders.has(provider)) return goToProvider(ctx, step, { provider, deps });
  if (formOf(ctx).text('action') !== 'login')
    return { error: 'access_denied', error_description: 'the user did not sign in' };
  const attempt = await attemptSignIn(ctx, { client: step.clientId, resource: step.resource.url }, deps);
  if (!attempt.ok) {
    showForm(ctx, step, { deps, problem: attempt.problem });
    return undefined;
  }
  const { id: accountId, accessEpoch } = attempt.user;
  return { login: { accountId, remember: true, accessEpoch } };
}

/** Administration takes a sign-in of this moment; an upstream that lets a cookie answer does not give one. */
async function goToProvider(
  ctx: Context,
  step: Step,
  { provider, deps }: { provider: string; deps: LoginDeps },
): Promise<undefined> {
  const maxAgeSeconds = step.resource.reserved ? FRESH_SIGN_IN_SECONDS : undefined;
  const purpose = { kind: 'interaction', uid: step.uid } as const;
  const begun = await startUpstreamSignIn(ctx, { provider, purpose, maxAgeSeconds }, deps);
  if (!begun.ok) showForm(ctx, step, { deps, problem: begun.problem });
}

function upstreamResult(
  ctx: Context,
  step: Step,
  { signIn, deps }: { signIn: Extract<UpstreamSignIn, { ok: true }>; deps: LoginDeps },
): InteractionResults | undefined {
  const { user, authenticatedAt } = signIn;
  const fresh = isFresh(authenticatedAt, deps.clock());
  if (step.resource.reserved && !fresh) {
    showForm(ctx, step, { deps, problem: { text: NOT_FRESH, status: 400 } });
    return undefined;
  }
  const methods = fresh ? {} : { amr: [FEDERATED] };
  return { login: { accountId: user.id, remember: true, accessEpoch: user.accessEpoch, ...methods } };
}

const NOT_FRESH =
  'Administration takes a sign-in of the last five minutes, and that service did not say that this was one. Sign in there anew, or use your password.';
