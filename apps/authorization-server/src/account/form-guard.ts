import type { Context } from 'koa';
import { PageProblem } from '../http/error-boundary.ts';
import { formOf } from '../interactions/form.ts';
import type { FormTokens } from '../interactions/form-token.ts';
import type { BoundForm } from '../pages/form-parts.ts';
import { pageUrl, type Site } from '../site.ts';
import type { AccountSession } from './session.ts';

/** What tying a form needs. */
export type FormGuardDeps = { site: Site; formTokens: FormTokens };

/** Makes the form for one path below `/account`. Holding its token proves that we showed it to this sign-in. */
export function accountForm(path: string, session: AccountSession, { site, formTokens }: FormGuardDeps): BoundForm {
  const route = `/account${path}`;
  const action = new URL(pageUrl(site, route)).pathname;
  return { action, formToken: formTokens.issue('account', session.id, route) };
}

/** Whether a posted form is the one that {@link accountForm} made for its path; the issuer's own is off by here. */
export function isOurForm(ctx: Context, session: AccountSession, { formTokens }: FormGuardDeps): boolean {
  return formTokens.verify(formOf(ctx).text('form_token'), 'account', session.id, ctx.path);
}

/** Lets nothing happen by a form that we did not show. */
export function requireOurForm(ctx: Context, session: AccountSession, deps: FormGuardDeps): void {
  if (isOurForm(ctx, session, deps)) return;
  throw new PageProblem({
    status: 400,
    title: 'This form is not the one we sent',
    explanation: 'Nothing was done. It may be from an earlier sign-in.',
    advice: ['Open your account page again and repeat what you did.'],
  });
}
