import type { Database, User } from '@portcullis/persistence';
import type { AuditEvent, AuditSink, Clock } from '@portcullis/platform';
import type { Context } from 'koa';
import { FRESH_SIGN_IN_SECONDS } from '../admin/admin-resource.ts';
import { type FailureLimit, networkOf } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { type IdentitySignIn, signInByIdentity } from '../identities/identity-sign-in.ts';
import type { LoginMetrics, TokenMetrics } from '../metrics.ts';
import type { TokenRefusals } from '../provider/token-refusals.ts';
import type { UpstreamFailure } from '../upstream/connector.ts';
import {
  beginSignIn,
  finishSignIn,
  type Identified,
  providerOf,
  type SignInFlowDeps,
  type SignInPurpose,
} from '../upstream/sign-in-flow.ts';

/** What signing in through an upstream needs. */
export type UpstreamSignInDeps = Omit<SignInFlowDeps, 'now'> & {
  database: Database;
  audit: AuditSink;
  /** Takes what anybody can cause without end. */
  refusals: TokenRefusals;
  /** How many ways to upstreams that lead to no sign-in may begin in one network. */
  signInStarts: FailureLimit;
  metrics: TokenMetrics;
  logins: LoginMetrics;
  clock: Clock;
};

/** Each leaves a row for ten minutes: {@link UpstreamSignInDeps.signInStarts}. */
export const SIGN_IN_STARTS = { name: 'upstream-sign-in-starts', failures: 200, windowSeconds: 600 } as const;

const TOO_MANY = 'Too many sign-ins were begun from your network and not finished. Wait ten minutes, then try again.';

/** Sends the browser to a provider; a problem where it cannot be reached, or too many have gone and not come back. */
export async function startUpstreamSignIn(
  ctx: Context,
  way: { provider: string; purpose: SignInPurpose; maxAgeSeconds?: number | undefined },
  deps: UpstreamSignInDeps,
): Promise<{ ok: true } | { ok: false; problem: { text: string; status: 400 | 429 | 502 } }> {
  const allowance = await deps.signInStarts.take(networkOf(requestContext(ctx).address));
  if (!allowance.allowed) {
    ctx.set('Retry-After', String(allowance.retryAfterSeconds));
    return { ok: false, problem: { text: TOO_MANY, status: 429 } };
  }
  const begun = await beginSignIn(ctx, way, { ...deps, now: deps.clock() });
  const { name } = providerOf(deps.signInProviders, way.provider).connector.upstream;
  if (!begun.ok) return { ok: false, problem: failureProblem(begun.failure, name) };
  ctx.set('Cache-Control', 'no-store');
  ctx.status = 303;
  ctx.redirect(begun.value.href);
  return { ok: true };
}

/** Notes that a way which {@link startUpstreamSignIn} began led somewhere. */
export async function arrived(ctx: Context, { signInStarts }: UpstreamSignInDeps): Promise<void> {
  await signInStarts.giveBack(networkOf(requestContext(ctx).address));
}

/** What came of it: who signed in and since when, or what the page says. */
export type UpstreamSignIn =
  | { ok: true; user: User; authenticatedAt: Date | undefined }
  | { ok: false; problem: { text: string; status: 400 | 502 } };

/** Finishes a sign-in through an upstream, and records it; undefined where none was begun. */
export async function finishUpstreamSignIn(
  ctx: Context,
  { place, what }: { place: string; what: Pick<AuditEvent, 'client' | 'resource'> },
  deps: UpstreamSignInDeps,
): Promise<UpstreamSignIn | undefined> {
  const finished = await finishSignIn(place, { ...deps, now: deps.clock() });
  if (!finished) return undefined;
  const { provider, result } = finished;
  const { name } = providerOf(deps.signInProviders, provider).connector.upstream;
  if (!result.ok) {
    deps.logins.failed({ way: 'upstream', reason: result.failure });
    await record(ctx, { ...what, outcome: 'denied', detail: { upstream: provider, reason: result.failure } }, deps);
    return { ok: false, problem: failureProblem(result.failure, name) };
  }
  const signIn = await signInFor(ctx, result.value, deps);
  if (signIn.ok) deps.logins.succeeded('upstream');
  else deps.logins.failed({ way: 'upstream', reason: signIn.reason });
  await record(ctx, { ...what, ...recordOf(signIn, result.value) }, deps);
  if (!signIn.ok) return { ok: false, problem: { text: refusalText(signIn.reason, name), status: 400 } };
  await arrived(ctx, deps);
  return { ok: true, user: signIn.user, authenticatedAt: result.value.person.authenticatedAt };
}

/** Whether somebody proved who they are so lately that more may be opened: only the upstream can say, and not all do. */
export function isFresh(authenticatedAt: Date | undefined, now: Date): boolean {
  return authenticatedAt !== undefined && now.getTime() - authenticatedAt.getTime() <= FRESH_SIGN_IN_SECONDS * 1000;
}

/** What the page says when the upstream did not do its part. */
export function failureProblem(failure: UpstreamFailure, name: string): { text: string; status: 400 | 502 } {
  switch (failure) {
    case 'user_refused':
      return { text: `You did not sign in at ${name}.`, status: 400 };
    case 'unreachable':
    case 'slow':
      return { text: `${name} does not answer at the moment. Try again, or use your password.`, status: 502 };
    case 'error':
    case 'over':
    case 'wrong_issuer':
    case 'bad_answer':
    case 'more_than_asked':
    case 'less_than_asked':
      return { text: `The answer of ${name} could not be used. Nobody was signed in; try again.`, status: 400 };
  }
}

function signInFor(
  ctx: Context,
  { provider, issuer, subject, person }: Identified,
  { signInProviders, database, metrics, clock }: UpstreamSignInDeps,
): Promise<IdentitySignIn> {
  const { policy } = providerOf(signInProviders, provider);
  const { address, correlationId } = requestContext(ctx);
  return signInByIdentity(
    { issuer, subject },
    { database, person, policy, now: clock(), origin: { address, correlationId }, metrics },
  );
}

/** Why somebody is nobody here is not told apart: it would say who is. */
function refusalText(reason: Extract<IdentitySignIn, { ok: false }>['reason'], name: string): string {
  return reason === 'user_disabled'
    ? 'This account is switched off. Ask an administrator.'
    : `Nobody here signs in with that account at ${name}. If you have a password here, sign in with it, and add ${name} on your account page. Otherwise ask an administrator.`;
}

function recordOf(signIn: IdentitySignIn, { provider, issuer, subject }: Identified) {
  const detail = { by: 'upstream', upstream: provider, identityProvider: issuer, upstreamSubject: subject };
  if (signIn.ok) return { outcome: 'success', subject: signIn.user.id, detail } as const;
  return {
    outcome: 'denied',
    ...(signIn.userId !== undefined && { subject: signIn.userId }),
    detail: { ...detail, reason: signIn.reason },
  } as const;
}

async function record(
  ctx: Context,
  event: Omit<AuditEvent, 'time' | 'type'>,
  { audit, refusals, clock }: UpstreamSignInDeps,
): Promise<void> {
  const { address, correlationId } = requestContext(ctx);
  const sink = event.outcome === 'denied' ? refusals : audit;
  await sink.record({ time: clock(), type: 'user.signed_in', address, correlationId, ...event });
}
