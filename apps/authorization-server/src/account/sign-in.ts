import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { PageProblem } from '../http/error-boundary.ts';
import { sendPage } from '../http/send-page.ts';
import { formOf } from '../interactions/form.ts';
import type { FormTokens } from '../interactions/form-token.ts';
import { attemptSignIn, type PasswordCheckDeps, type SignInProblem } from '../interactions/password-check.ts';
import { accountSignInPage } from '../pages/account-sign-in.ts';
import { pageUrl, type Site } from '../site.ts';
import { accountCookie } from './cookie.ts';
import type { AccountSessions } from './session.ts';

/** What signing in without an app needs. */
export type AccountSignInDeps = PasswordCheckDeps & {
  site: Site;
  formTokens: FormTokens;
  sessions: AccountSessions;
};

const PATH = '/account/sign-in';
const COOKIE = 'sign-in';
/** SHA-256 in base64url. */
const HANDLE = /^[A-Za-z0-9_-]{43}$/;

/** Shows the sign-in form. Before anybody is signed in, a random value in a cookie is what ties it to the browser. */
export function showAccountSignIn(ctx: Context, deps: AccountSignInDeps, problem?: SignInProblem): void {
  const page = accountSignInPage({
    action: `${new URL(pageUrl(deps.site, PATH)).pathname}${confirmationQuery(confirmationOf(ctx))}`,
    confirms: confirmationOf(ctx) !== undefined,
    formToken: deps.formTokens.issue('account-sign-in', browserValue(ctx, deps.site)),
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
  const attempt = await attemptSignIn(ctx, {}, deps);
  if (!attempt.ok) {
    showAccountSignIn(ctx, deps, attempt.problem);
    return;
  }
  await deps.sessions.begin(ctx, attempt.user);
  ctx.cookies.set(name, null, options);
  ctx.status = 303;
  const confirmation = confirmationOf(ctx);
  ctx.redirect(pageUrl(deps.site, confirmation === undefined ? '/account' : `/account/confirmations/${confirmation}`));
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
