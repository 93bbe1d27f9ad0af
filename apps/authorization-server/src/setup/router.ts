import Router from '@koa/router';
import { changePassword, type Database, type UserStore } from '@portcullis/persistence';
import type { AuditSink } from '@portcullis/platform';
import type { Context, Middleware } from 'koa';
import { PageProblem } from '../http/error-boundary.ts';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import { formOf } from '../interactions/form.ts';
import type { FormTokens } from '../interactions/form-token.ts';
import { accountElsewhere } from '../pages/account-elsewhere.ts';
import { passwordDonePage, passwordPage } from '../pages/password.ts';
import { setupDonePage, setupPage } from '../pages/set-up.ts';
import { hashPassword, passwordProblem } from '../passwords.ts';
import { emailProblem } from './email.ts';
import {
  forgetToken,
  type LinkDeps,
  type LinkPurpose,
  liveLink,
  moveTokenToCookie,
  refuseLink,
} from './one-time-link.ts';

/** What the pages behind one-time links need. */
export type SetupDeps = LinkDeps & {
  database: Database;
  users: UserStore;
  formTokens: FormTokens;
  audit: AuditSink;
  mcpUrl: string;
  acceptForms: Middleware;
};

/** The pages behind one-time links: `/setup` makes the first administrator, `/password` sets a password. */
export function setupRouter(deps: SetupDeps): Router {
  const router = new Router();
  router.use(deps.acceptForms);
  router.get('/setup', (ctx) => showSetup(ctx, deps));
  router.post('/setup', (ctx) => submitSetup(ctx, deps));
  router.get('/password', (ctx) => showPassword(ctx, deps));
  router.post('/password', (ctx) => submitPassword(ctx, deps));
  return router;
}

async function showSetup(ctx: Context, deps: SetupDeps): Promise<void> {
  if (moveTokenToCookie(ctx, 'setup', deps)) return;
  const link = await liveLink(ctx, 'setup', deps);
  if (link) sendPage(ctx, setupPage({ formToken: deps.formTokens.issue('setup', link.token) }));
}

async function submitSetup(ctx: Context, deps: SetupDeps): Promise<void> {
  const link = await liveLink(ctx, 'setup', deps);
  if (!link) return;
  const formToken = requireFormToken(ctx, { deps, purpose: 'setup', token: link.token });
  const form = formOf(ctx);
  const email = form.text('email')?.trim() ?? '';
  const password = form.text('password') ?? '';
  const problem = emailProblem(email) ?? passwordProblem(password);
  if (problem !== undefined) {
    sendPage(ctx, setupPage({ formToken, email, problem }), 400);
    return;
  }
  const { created } = await deps.users.createFirstAdministrator({
    email,
    passwordHash: await hashPassword(password),
    now: deps.clock(),
    event: setupEvent(ctx, deps, 'success'),
  });
  await deps.links.redeem({ token: link.token, purpose: 'setup', now: deps.clock() });
  forgetToken(ctx, 'setup', deps);
  if (created) {
    sendPage(ctx, setupDonePage({ email, mcpUrl: deps.mcpUrl }));
    return;
  }
  await deps.audit.record(setupEvent(ctx, deps, 'denied'));
  refuseLink(ctx, 'setup');
}

async function showPassword(ctx: Context, deps: SetupDeps): Promise<void> {
  if (moveTokenToCookie(ctx, 'password', deps)) return;
  const target = await passwordTarget(ctx, deps);
  if (target)
    sendPage(ctx, passwordPage({ formToken: deps.formTokens.issue('password', target.token), email: target.email }));
}

async function submitPassword(ctx: Context, deps: SetupDeps): Promise<void> {
  const target = await passwordTarget(ctx, deps);
  if (!target) return;
  const formToken = requireFormToken(ctx, { deps, purpose: 'password', token: target.token });
  const password = formOf(ctx).text('password') ?? '';
  const problem = passwordProblem(password);
  if (problem !== undefined) {
    sendPage(ctx, passwordPage({ formToken, email: target.email, problem }), 400);
    return;
  }
  const { address, correlationId } = requestContext(ctx);
  const ended = await changePassword(deps.database, {
    userId: target.userId,
    passwordHash: await hashPassword(password),
    proof: { linkToken: target.token },
    now: deps.clock(),
    origin: { address, correlationId },
  });
  if (!ended) {
    refuseLink(ctx, 'password');
    return;
  }
  forgetToken(ctx, 'password', deps);
  sendPage(ctx, passwordDonePage({ email: target.email, removed: ended.identities.map(accountElsewhere) }));
}

async function passwordTarget(
  ctx: Context,
  deps: SetupDeps,
): Promise<{ token: string; userId: string; email: string } | undefined> {
  const link = await liveLink(ctx, 'password', deps);
  if (!link) return undefined;
  const user = link.userId === undefined ? undefined : await deps.users.findById(link.userId);
  if (user) return { token: link.token, userId: user.id, email: user.email };
  refuseLink(ctx, 'password');
  return undefined;
}

function requireFormToken(
  ctx: Context,
  { deps, purpose, token }: { deps: SetupDeps; purpose: LinkPurpose; token: string },
): string {
  const formToken = formOf(ctx).text('form_token');
  if (formToken !== undefined && deps.formTokens.verify(formToken, purpose, token)) return formToken;
  throw new PageProblem({
    status: 400,
    title: 'This form is not the one we sent',
    explanation: 'Nothing was done. Open the link again and fill in the form.',
  });
}

function setupEvent(ctx: Context, { clock }: SetupDeps, outcome: 'success' | 'denied') {
  const { address, correlationId } = requestContext(ctx);
  return { time: clock(), type: 'setup.completed', outcome, address, correlationId } as const;
}
