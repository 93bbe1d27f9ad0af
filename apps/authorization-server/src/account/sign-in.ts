import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { FRESH_SIGN_IN_SECONDS } from '../admin/admin-resource.ts';
import { PageProblem } from '../http/error-boundary.ts';
import { sendPage } from '../http/send-page.ts';
import { formOf } from '../interactions/form.ts';
import type { FormTokens } from '../interactions/form-token.ts';
import { attemptSignIn, type PasswordCheckDeps } from '../interactions/password-check.ts';
import { startUpstreamSignIn, type UpstreamSignInDeps } from '../interactions/upstream-sign-in.ts';
import { accountSignInPage } from '../pages/account-sign-in.ts';
import { pageUrl, type Site } from '../site.ts';
import { namedProviders } from '../upstream/sign-in-flow.ts';
import { accountCookie } from './cookie.ts';
import type { AccountSessions } from './session.ts';

/** What signing in without an app needs. */
export type AccountSignInDeps = PasswordCheckDeps & {
  site: Site;
  formTokens: FormTokens;
  sessions: AccountSessions;
} & UpstreamSignInDeps;

const PATH = '/account/sign-in';
const COOKIE = 'sign-in';
/** SHA-256 in base64url. */
const HANDLE = /^[A-Za-z0-9_-]{43}$/;

/** Shows the sign-in form. Before anybody is signed in, a random value in a cookie is what ties it to the browser. */
export function showAccountSignIn(
  ctx: Context,
  deps: AccountSignInDeps,
  problem?: { text: string; email?: string; status: number },
): void {
  const page = accountSignInPage({
    action: `${new URL(pageUrl(deps.site, PATH)).pathname}${confirmationQuery(confirmationOf(ctx))}`,
    confirms: confirmationOf(ctx) !== undefined,
    formToken: deps.formTokens.issue('account-sign-in', browserValue(ctx, deps.site)),
    providers: namedProviders(deps.signInProviders),
    email: problem?.email,
    problem: problem?.text,
  });
  sendPage(ctx, page, problem?.status);
}

/** Handles the posted form: signs in and leads to the account page, or shows the form again. */
export async function submitAccountSignIn(ctx: Context, deps: AccountSignInDeps): Promise<void> {
  const { name, options } = accountCookie(COOKIE, deps.site);
  const value = ctx.cookies.get(name);
  const formToken = formOf(ctx).text('form_token');
  if (value === undefined || !deps.formTokens.verify(formToken, 'account-sign-in', value)) {
    throw new PageProblem({
      status: 400,
      title: 'This form is not the one we sent',
      explanation: 'Nobody was signed in. Your browser may refuse cookies, or the form is an old one.',
      advice: ['Open your account page again and sign in there.'],
    });
  }
  const provider = formOf(ctx).text('provider');
  if (provider !== undefined && deps.signInProviders.has(provider)) {
    // Who is signed in already was shown this form for want of a fresh sign-in.
    const maxAgeSeconds = (await deps.sessions.find(ctx)) && FRESH_SIGN_IN_SECONDS;
    const purpose = { kind: 'account', confirmation: confirmationOf(ctx) } as const;
    const begun = await startUpstreamSignIn(ctx, { provider, purpose, maxAgeSeconds }, deps);
    if (!begun.ok) showAccountSignIn(ctx, deps, begun.problem);
    return;
  }
  const attempt = await attemptSignIn(ctx, {}, deps);
  if (!attempt.ok) {
    showAccountSignIn(ctx, deps, attempt.problem);
    return;
  }
  await deps.sessions.begin(ctx, attempt.user);
  ctx.cookies.set(name, null, options);
  ctx.status = 303;
  ctx.redirect(pageUrl(deps.site, pathAfterSignIn(confirmationOf(ctx))));
}

/** Where somebody is led who signed in: to the page that asks about a call of an app, where that is what they came for. */
export function pathAfterSignIn(confirmation: string | undefined): string {
  return confirmation !== undefined && HANDLE.test(confirmation)
    ? `/account/confirmations/${confirmation}`
    : '/account';
}

/** What a person is sent to sign in for: a page that asks them about a call of an app. It can lead nowhere else. */
export function confirmationQuery(confirmation: string | undefined): string {
  return confirmation !== undefined && HANDLE.test(confirmation) ? `?confirmation=${confirmation}` : '';
}

function confirmationOf(ctx: Context): string | undefined {
  const { confirmation } = ctx.query;
  return typeof confirmation === 'string' && HANDLE.test(confirmation) ? confirmation : undefined;
}

function browserValue(ctx: Context, site: Site): string {
  const { name, options } = accountCookie(COOKIE, site);
  const present = ctx.cookies.get(name);
  if (present !== undefined) return present;
  const value = randomBytes(16).toString('base64url');
  ctx.cookies.set(name, value, options);
  return value;
}
