import Router from '@koa/router';
import type { Context } from 'koa';
import { PageProblem } from '../http/error-boundary.ts';
import { requestContext } from '../http/request-context.ts';
import { arrived, failureProblem, finishUpstreamSignIn, isFresh } from '../interactions/upstream-sign-in.ts';
import { pageUrl } from '../site.ts';
import { finishSignIn, providerOf, receiveSignIn, type SignInPurpose } from '../upstream/sign-in-flow.ts';
import { leaveNotice } from './notice.ts';
import { type AccountSignInDeps, pathAfterSignIn, showAccountSignIn } from './sign-in.ts';
import { addSignInMethod } from './sign-in-methods.ts';

/** What the route works with. */
export type SignInCallbackDeps = AccountSignInDeps;

/**
 * `/upstream/:upstream/sign-in`: where providers send browsers back to. What came back is judged by what this browser
 * went for, never by what the address says; for a name that nobody signs in through there is no such page.
 */
export function signInCallback(deps: SignInCallbackDeps): Router {
  const router = new Router({ strict: true, sensitive: true });
  router.get('/upstream/:upstream/sign-in', async (ctx, next) => {
    const provider = String(ctx.params.upstream);
    if (!deps.signInProviders.has(provider)) return next();
    ctx.set('Cache-Control', 'no-store');
    const received = await receiveSignIn(ctx, provider, { ...deps, now: deps.clock() });
    if (!received) throw new PageProblem(NOT_EXPECTED);
    const { purpose, place } = received;
    switch (purpose.kind) {
      case 'interaction':
        // The step of the authorization has a cookie of its own, and finishes there.
        return redirect(ctx, deps, `/interaction/${purpose.uid}`);
      case 'account':
        return signInToAccount(ctx, { place, confirmation: purpose.confirmation }, deps);
      case 'link':
        return link(ctx, { purpose, place }, deps);
    }
  });
  return router;
}

const NOT_EXPECTED = {
  status: 400,
  title: 'This answer was not expected',
  explanation:
    'It was used already, took longer than ten minutes, or belongs to another browser or service. Nobody was signed in.',
  advice: ['Go back to where you wanted to sign in, and start again.'],
};

const SOMEBODY_ELSE = {
  status: 400,
  title: 'Somebody else is signed in now',
  explanation: 'The account was to be added for whoever was signed in when you left. Nothing was added.',
  advice: ['Open your account page, and add it again.'],
};

const TAKEN = {
  status: 409,
  title: 'That account belongs to somebody else here',
  explanation: 'Another user of this server signs in with it already. Nothing was added.',
  advice: ['Choose another account there, or ask an administrator.'],
};

async function signInToAccount(
  ctx: Context,
  { place, confirmation }: { place: string; confirmation: string | undefined },
  deps: SignInCallbackDeps,
): Promise<void> {
  const signIn = await finishUpstreamSignIn(ctx, { place, what: {} }, deps);
  if (!signIn) throw new PageProblem(NOT_EXPECTED);
  if (!signIn.ok) return showAccountSignIn(ctx, deps, signIn.problem);
  await deps.sessions.begin(ctx, signIn.user, isFresh(signIn.authenticatedAt, deps.clock()) ? 'now' : 'elsewhere');
  redirect(ctx, deps, pathAfterSignIn(confirmation));
}

async function link(
  ctx: Context,
  { purpose, place }: { purpose: Extract<SignInPurpose, { kind: 'link' }>; place: string },
  deps: SignInCallbackDeps,
): Promise<void> {
  const session = await deps.sessions.find(ctx);
  if (session?.userId !== purpose.userId || session.id !== purpose.signInId) throw new PageProblem(SOMEBODY_ELSE);
  const finished = await finishSignIn(place, { ...deps, now: deps.clock() });
  if (!finished) throw new PageProblem(NOT_EXPECTED);
  const { provider, result } = finished;
  if (!result.ok) {
    const { name } = providerOf(deps.signInProviders, provider).connector.upstream;
    const { text, status } = failureProblem(result.failure, name);
    throw new PageProblem({
      status,
      title: 'Nothing was added',
      explanation: text,
      advice: ['Open your account page, and try again.'],
    });
  }
  const { address, correlationId } = requestContext(ctx);
  const { database, clock } = deps;
  const { userId } = session;
  const added = await addSignInMethod(result.value, {
    database,
    userId,
    signInId: session.id,
    now: clock(),
    origin: { address, correlationId },
  });
  if (added === 'signed_out') throw new PageProblem(SOMEBODY_ELSE);
  if (added === 'foreign') throw new PageProblem(TAKEN);
  await arrived(ctx, deps);
  leaveNotice(ctx, added === 'added' ? 'method-added' : 'method-own', deps.site);
  redirect(ctx, deps, '/account');
}

function redirect(ctx: Context, { site }: SignInCallbackDeps, path: string): void {
  ctx.status = 303;
  ctx.redirect(pageUrl(site, path));
}
