import type { Context } from 'koa';
import { sendPage } from '../http/send-page.ts';
import { accountPage } from '../pages/account.ts';
import { connectionsSection } from '../pages/account-connections.ts';
import { passwordSection } from '../pages/account-password.ts';
import { signInMethodsSection } from '../pages/account-sign-in-methods.ts';
import { signInsSection, signOutSection } from '../pages/account-sign-ins.ts';
import { tokensSection } from '../pages/account-tokens.ts';
import { upstreamsSection } from '../pages/account-upstreams.ts';
import { pageUrl } from '../site.ts';
import { type ConnectionsDeps, connectedApps } from './connections.ts';
import { accountForm, type FormGuardDeps } from './form-guard.ts';
import { takeNotice } from './notice.ts';
import type { PasswordChangeDeps } from './password.ts';
import { personalAccessTokens, type TokensDeps } from './personal-access-tokens.ts';
import type { AccountSession } from './session.ts';
import { type SignInMethodsDeps, signInMethods } from './sign-in-methods.ts';
import { openSignIns } from './sign-ins.ts';
import { connectedUpstreams, type UpstreamsDeps } from './upstreams.ts';

/** What the account page needs. */
export type OverviewDeps = ConnectionsDeps &
  TokensDeps &
  UpstreamsDeps &
  FormGuardDeps &
  SignInMethodsDeps &
  Pick<PasswordChangeDeps, 'users' | 'clock'> &
  Parameters<typeof openSignIns>[1];

/** Why the page is shown again: which form was not done, and why. */
export type OverviewProblem = { form: 'password' | 'connections' | 'methods'; text: string; status: number };

/** Shows the page: who somebody is, what may act for them, where they are signed in, and the ways out. */
export async function showOverview(
  ctx: Context,
  { session, problem }: { session: AccountSession; problem?: OverviewProblem },
  deps: OverviewDeps,
): Promise<void> {
  const now = deps.clock();
  const user = await deps.users.findById(session.userId);
  if (!user) throw new Error('an open sign-in has no user');
  const form = (path: string) => accountForm(path, session, deps);
  const page = accountPage({
    email: user.email,
    roles: user.roles,
    notice: takeNotice(ctx, deps.site),
    problem: problem?.text,
    sections: [
      connectionsSection({
        apps: await connectedApps({ userId: user.id, now, form }, deps),
        disconnectAll: form('/connections/disconnect'),
      }),
      tokensSection({
        tokens: await personalAccessTokens({ user, now, form }, deps),
        newTokenPath: pageUrl(deps.site, '/account/tokens/new'),
      }),
      upstreamsSection(await connectedUpstreams({ userId: user.id, now, form }, deps)),
      signInsSection({
        signIns: await openSignIns({ session, now, form }, deps),
        endOthers: form('/sign-ins/end-others'),
      }),
      signInMethodsSection(await signInMethods({ user, form }, deps)),
      passwordSection({
        ...form('/password'),
        email: user.email,
        problem: problem?.form === 'password' ? problem.text : undefined,
      }),
      signOutSection(form('/sign-out')),
    ],
  });
  sendPage(ctx, page, problem?.status);
}
