import Router from '@koa/router';
import {
  createPersonalAccessTokenStore,
  type Database,
  type Envelope,
  PERSONAL_ACCESS_TOKENS_PER_USER,
  type User,
} from '@portcullis/persistence';
import type { Context, Middleware } from 'koa';
import { PageProblem } from '../http/error-boundary.ts';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import { formOf } from '../interactions/form.ts';
import { startUpstreamSignIn } from '../interactions/upstream-sign-in.ts';
import { accountElsewhere } from '../pages/account-elsewhere.ts';
import { signedOutPage } from '../pages/account-sign-in.ts';
import { newTokenPage } from '../pages/account-tokens.ts';
import { pageUrl } from '../site.ts';
import type { Ending } from '../upstream/ending.ts';
import { type ConfirmationPageDeps, showConfirmation, submitConfirmation } from './confirmation.ts';
import { disconnect, disconnectAll, narrow } from './connections.ts';
import { isOurForm, requireOurForm } from './form-guard.ts';
import { leaveNotice, type Notice } from './notice.ts';
import { type OverviewDeps, showOverview } from './overview.ts';
import { type PasswordChangeDeps, submitPasswordChange } from './password.ts';
import { revokeToken, showTokenForm, submitToken, type TokenIssueDeps } from './personal-access-tokens.ts';
import type { AccountSession } from './session.ts';
import { type AccountSignInDeps, confirmationQuery, showAccountSignIn, submitAccountSignIn } from './sign-in.ts';
import { removeSignInMethod } from './sign-in-methods.ts';
import { endSignIn } from './sign-ins.ts';
import { disconnectUpstream } from './upstreams.ts';

/** What the signed-in user's own pages need. */
export type AccountDeps = OverviewDeps &
  PasswordChangeDeps &
  TokenIssueDeps &
  AccountSignInDeps &
  ConfirmationPageDeps & {
    database: Database;
    envelope: Envelope;
    acceptForms: Middleware;
    /** Revokes a connection at its upstream, if no grant may use it any more. */
    endUnusedConnection(id: string): Promise<Ending | undefined>;
  };

/** Does what a form asks for somebody who is signed in. */
type Act = (ctx: Context, session: AccountSession) => Promise<void>;

/** `/account`: what is connected, where one is signed in, the password, and the ways out. */
export function accountRouter(deps: AccountDeps): Router {
  const router = new Router({ prefix: '/account' });
  // Under no-referrer, browsers post a form with `Origin: null`; so they can name us as its sender.
  router.use(async (ctx, next) => {
    ctx.set('Referrer-Policy', 'same-origin');
    await next();
  });
  router.use(deps.acceptForms);
  const signedIn = (act: Act) => async (ctx: Context) => {
    const session = await deps.sessions.find(ctx);
    if (session) await act(ctx, session);
    else redirect(ctx, deps, '/account/sign-in');
  };
  /** A form that was shown to this sign-in, for the path that it is posted to. */
  const posted = (act: Act) =>
    signedIn(async (ctx, session) => {
      requireOurForm(ctx, session, deps);
      await act(ctx, session);
    });

  router.get(
    '/',
    signedIn((ctx, session) => showOverview(ctx, { session }, deps)),
  );
  router.get('/sign-in', async (ctx) => {
    if (await deps.sessions.find(ctx)) redirect(ctx, deps, '/account');
    else showAccountSignIn(ctx, deps);
  });
  router.post('/sign-in', (ctx) => submitAccountSignIn(ctx, deps));
  router.get('/confirmations/:confirmation', async (ctx) => {
    const session = await deps.sessions.find(ctx);
    if (session) await showConfirmation(ctx, session, deps);
    else redirect(ctx, deps, `/account/sign-in${confirmationQuery(String(ctx.params.confirmation))}`);
  });
  router.post(
    '/confirmations/:confirmation',
    signedIn((ctx, session) => submitConfirmation(ctx, session, deps)),
  );
  router.post(
    '/sign-out',
    posted((ctx, session) => signOut(ctx, session, deps)),
  );
  router.post(
    '/password',
    posted((ctx, session) => submitPassword(ctx, session, deps)),
  );
  router.post(
    '/apps/disconnect',
    posted((ctx, session) => submitAppRevocation(ctx, session, deps)),
  );
  router.post(
    '/connections/disconnect',
    posted(async (ctx, { userId }) => {
      await disconnectAll(ctx, undefined, changeOf(deps, userId));
      done(ctx, deps, 'all-disconnected');
    }),
  );
  router.post(
    '/connections/:grant/disconnect',
    signedIn((ctx, session) => submitRevocation(ctx, session, deps)),
  );
  router.post(
    '/connections/:grant/scopes',
    signedIn((ctx, session) => submitNarrowing(ctx, session, deps)),
  );
  router.get(
    '/tokens/new',
    signedIn(async (ctx, session) => showTokenForm(ctx, { session, user: await userOf(session, deps) }, deps)),
  );
  router.post(
    '/tokens',
    posted((ctx, session) => submitNewToken(ctx, session, deps)),
  );
  router.post(
    '/tokens/:id/revoke',
    signedIn((ctx, session) => submitTokenRevocation(ctx, session, deps)),
  );
  router.post(
    '/upstreams/:id/disconnect',
    signedIn((ctx, session) => submitUpstreamEnd(ctx, session, deps)),
  );
  router.post(
    '/sign-in-methods',
    posted((ctx, session) => submitMethod(ctx, session, deps)),
  );
  router.post(
    '/sign-in-methods/:id/remove',
    posted((ctx, session) => submitMethodRemoval(ctx, session, deps)),
  );
  router.post(
    '/sign-ins/end-others',
    posted(async (ctx, session) => {
      await endSignIn(ctx, 'others', { database: deps.database, session, now: deps.clock() });
      done(ctx, deps, 'signed-out-elsewhere');
    }),
  );
  router.post(
    '/sign-ins/:id/end',
    signedIn((ctx, session) => submitSignInEnd(ctx, session, deps)),
  );
  return router;
}

function redirect(ctx: Context, { site }: AccountDeps, path: string): void {
  ctx.status = 303;
  ctx.redirect(pageUrl(site, path));
}

function done(ctx: Context, deps: AccountDeps, notice: Notice): void {
  leaveNotice(ctx, notice, deps.site);
  redirect(ctx, deps, '/account');
}

function changeOf({ database, clock }: AccountDeps, userId: string) {
  return { database, userId, now: clock() };
}

/** What a person sees who names what is not theirs, or not there: the two are not told apart. */
const NOT_THERE = {
  status: 404,
  title: 'There is nothing here',
  explanation: 'What you wanted to change is not on your account page.',
  advice: ['Open your account page again: it shows what there is.'],
};

/**
 * Whether a form names something that we showed to this sign-in. What we showed and is gone by now, as after a second
 * click, is as good as done; what we never showed is not there for this person.
 */
async function requireShown(
  ctx: Context,
  { session, isOwn }: { session: AccountSession; isOwn: () => Promise<boolean> },
  deps: AccountDeps,
): Promise<void> {
  if (isOurForm(ctx, session, deps)) return;
  if (!(await isOwn())) throw new PageProblem(NOT_THERE);
  requireOurForm(ctx, session, deps);
}

async function requireShownGrant(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<string> {
  const id = String(ctx.params.grant);
  const isOwn = async () => (await deps.grants.find({ id, now: deps.clock() }))?.userId === session.userId;
  await requireShown(ctx, { session, isOwn }, deps);
  return id;
}

async function submitRevocation(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const id = await requireShownGrant(ctx, session, deps);
  await disconnect(ctx, id, changeOf(deps, session.userId));
  done(ctx, deps, 'disconnected');
}

async function submitAppRevocation(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const clientId = formOf(ctx).text('client');
  if (clientId === undefined) throw new PageProblem(NOT_THERE);
  await disconnectAll(ctx, clientId, changeOf(deps, session.userId));
  done(ctx, deps, 'disconnected');
}

async function submitNarrowing(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const id = await requireShownGrant(ctx, session, deps);
  const form = formOf(ctx);
  const asked = { id, resource: form.text('resource') ?? '', scopes: form.all('scope') };
  const result = await narrow(ctx, asked, changeOf(deps, session.userId));
  if (result.ok) {
    done(ctx, deps, 'narrowed');
    return;
  }
  switch (result.refusal.reason) {
    case 'unknown_grant':
      throw new PageProblem(NOT_THERE);
    case 'nothing_left': {
      const text = 'Leave at least one thing ticked that the app may do, or choose Disconnect.';
      await showOverview(ctx, { session, problem: { form: 'connections', text, status: 400 } }, deps);
    }
  }
}

async function userOf({ userId }: AccountSession, { users }: AccountDeps): Promise<User> {
  const user = await users.findById(userId);
  if (!user) throw new PageProblem(NOT_THERE);
  return user;
}

async function submitNewToken(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const user = await userOf(session, deps);
  const outcome = await submitToken(ctx, user, deps);
  if (!outcome.ok) {
    const { status, problem: text, draft } = outcome;
    if (status === 403) showAccountSignIn(ctx, deps, { text, status });
    else await showTokenForm(ctx, { user, session, problem: { text, status, draft } }, deps);
    return;
  }
  const { token, record } = outcome.issued;
  const { name, expiresAt } = record;
  const accountPath = pageUrl(deps.site, '/account');
  // No redirect: the value would have to be kept somewhere for the page that follows.
  sendPage(ctx, newTokenPage({ token, name, expiresAt, resource: outcome.resource, accountPath }));
}

async function submitTokenRevocation(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const id = String(ctx.params.id);
  const { userId } = session;
  const isOwn = async () => {
    const own = { userId, limit: PERSONAL_ACCESS_TOKENS_PER_USER, now: deps.clock() };
    return (await createPersonalAccessTokenStore(deps.database).list(own)).some((token) => token.id === id);
  };
  await requireShown(ctx, { session, isOwn }, deps);
  await revokeToken(ctx, id, changeOf(deps, userId));
  done(ctx, deps, 'token-revoked');
}

async function submitSignInEnd(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const id = String(ctx.params.id);
  const now = deps.clock();
  const isOwn = async () => (await deps.signIns.list({ userId: session.userId, now })).some((own) => own.id === id);
  await requireShown(ctx, { session, isOwn }, deps);
  await endSignIn(ctx, { id }, { database: deps.database, session, now });
  done(ctx, deps, 'signed-out-there');
}

async function submitUpstreamEnd(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const id = String(ctx.params.id);
  const { userId } = session;
  const isOwn = async () => (await deps.upstreamConnections.list({ userId })).some((own) => own.id === id);
  await requireShown(ctx, { session, isOwn }, deps);
  await disconnectUpstream(ctx, id, { ...deps, userId, now: deps.clock() });
  // This one only: nobody waits for the upstreams of others.
  const ending = await deps.endUnusedConnection(id);
  done(ctx, deps, ending === 'revoked' ? 'upstream-disconnected' : 'upstream-disconnected-here');
}

/** Whoever finds a browser that was left signed in must not be able to come back to the account with one of their own. */
async function submitMethod(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const provider = formOf(ctx).text('provider');
  if (provider === undefined || !deps.signInProviders.has(provider)) throw new PageProblem(NOT_THERE);
  if (!session.isFresh) {
    const text = 'For that, sign in again: it takes a sign-in of the last five minutes, with your password.';
    showAccountSignIn(ctx, deps, { text, status: 403 });
    return;
  }
  const purpose = { kind: 'link', userId: session.userId, signInId: session.id } as const;
  const begun = await startUpstreamSignIn(ctx, { provider, purpose }, deps);
  if (begun.ok) return;
  const { text, status } = begun.problem;
  await showOverview(ctx, { session, problem: { form: 'methods', text, status } }, deps);
}

async function submitMethodRemoval(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const { address, correlationId } = requestContext(ctx);
  const { signInProviders } = deps;
  const change = { ...changeOf(deps, session.userId), signInProviders, origin: { address, correlationId } };
  const removed = await removeSignInMethod(String(ctx.params.id), change);
  switch (removed) {
    case 'removed':
      return done(ctx, deps, 'method-removed');
    case 'absent':
      throw new PageProblem(NOT_THERE);
    case 'only_way_in':
    case 'last_administrator': {
      const problem = { form: 'methods', text: NOT_REMOVED[removed], status: 400 } as const;
      await showOverview(ctx, { session, problem }, deps);
    }
  }
}

const NOT_REMOVED = {
  only_way_in: 'That is the only way in which you can sign in. Ask an administrator for a password first.',
  last_administrator:
    'The groups of that account make you an administrator, and you are the last one. Give somebody else the role admin first.',
};

async function submitPassword(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const { email } = await userOf(session, deps);
  const outcome = await submitPasswordChange(ctx, { session, email }, deps);
  if (outcome.ok) {
    const removed = outcome.removed.map(accountElsewhere);
    leaveNotice(ctx, removed.length > 0 ? 'password-changed-accounts-removed' : 'password-changed', deps.site, removed);
    redirect(ctx, deps, '/account');
    return;
  }
  const { status, problem: text } = outcome;
  await showOverview(ctx, { session, problem: { form: 'password', text, status } }, deps);
}

async function signOut(ctx: Context, session: AccountSession, deps: AccountDeps): Promise<void> {
  const disconnected = formOf(ctx).text('action') === 'disconnect-and-sign-out';
  if (disconnected) await disconnectAll(ctx, undefined, changeOf(deps, session.userId));
  await deps.sessions.end(ctx);
  const { address, correlationId } = requestContext(ctx);
  await deps.audit.record({
    time: deps.clock(),
    type: 'user.signed_out',
    outcome: 'success',
    subject: session.userId,
    address,
    correlationId,
    detail: { by: 'account page', which: 'this one', ...(disconnected && { disconnected: 'every app' }) },
  });
  sendPage(ctx, signedOutPage({ accountPath: pageUrl(deps.site, '/account'), disconnected }));
}
