import {
  createAuditLog,
  createPersonalAccessTokenStore,
  type Database,
  inTransaction,
  PERSONAL_ACCESS_TOKENS_PER_USER,
  type User,
} from '@portcullis/persistence';
import type { Context } from 'koa';
import { requestContext } from '../http/request-context.ts';
import { sendPage } from '../http/send-page.ts';
import { formOf } from '../interactions/form.ts';
import { checkPassword, type PasswordCheckDeps } from '../interactions/password-check.ts';
import { newTokenFormPage, type ShownToken, type TokenDraft, type TokenOffer } from '../pages/account-tokens.ts';
import type { BoundForm } from '../pages/form-parts.ts';
import { type IssuedToken, issuePersonalAccessToken, tokenDetail } from '../personal-access-tokens/issue.ts';
import { judgeTokenRequest, type TokenRequestRefusal, tokenScopesAt } from '../personal-access-tokens/token-request.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import { findResource, type Resource } from '../resources.ts';
import type { RolePermissions } from '../roles.ts';
import { pageUrl } from '../site.ts';
import { accountForm, type FormGuardDeps } from './form-guard.ts';
import type { AccountSession, AccountSessions } from './session.ts';

/** What showing tokens needs. */
export type TokensDeps = { database: Database; catalogue: ResourceCatalogue; roles: RolePermissions };

/** The living tokens of a user. */
export async function personalAccessTokens(
  { user, now, form }: { user: User; now: Date; form(path: string): BoundForm },
  { database, catalogue }: TokensDeps,
): Promise<ShownToken[]> {
  const store = createPersonalAccessTokenStore(database);
  const records = await store.list({ userId: user.id, limit: PERSONAL_ACCESS_TOKENS_PER_USER, now });
  const resources = await catalogue.findAll([...new Set(records.map(({ resource }) => resource))]);
  return records.map((record) => {
    const resource = findResource(resources, record.resource);
    const { name, createdAt, lastUsedAt, expiresAt } = record;
    return {
      ...{ name, createdAt, lastUsedAt, expiresAt },
      isFromAdministrator: record.issuedBy !== undefined,
      resource: { url: record.resource, name: resource?.name ?? record.resource },
      scopes: record.scopes.map((scope) => resource?.scopes[scope]?.description ?? scope),
      revoke: form(`/tokens/${record.id}/revoke`),
    };
  });
}

/** Why the form is shown again, and what was in it. */
type TokenFormProblem = { text: string; status: number; draft: TokenDraft };

/** Shows the page on which a token is made, for each server at which the person may allow something. */
export async function showTokenForm(
  ctx: Context,
  { user, session, problem }: { user: User; session: AccountSession; problem?: TokenFormProblem },
  deps: TokensDeps & FormGuardDeps,
): Promise<void> {
  const holder = { roles: user.roles, permissions: deps.roles };
  const offers = (await deps.catalogue.list())
    .map((resource) => offerAt(resource, tokenScopesAt(resource, holder)))
    .filter(({ scopes }) => scopes.length > 0);
  const page = newTokenFormPage({
    offers,
    issue: accountForm('/tokens', session, deps),
    email: user.email,
    hasPassword: user.passwordHash !== null,
    problem: problem?.text,
    draft: problem?.draft,
    accountPath: pageUrl(deps.site, '/account'),
  });
  sendPage(ctx, page, problem?.status);
}

function offerAt({ url, name, scopes, defaultScopes }: Resource, permitted: readonly string[]): TokenOffer {
  return {
    resource: { url, name },
    scopes: permitted.map((scope) => ({
      name: scope,
      description: scopes[scope]?.description ?? scope,
      ticked: defaultScopes.includes(scope),
    })),
  };
}

/** What making tokens needs. */
export type TokenIssueDeps = TokensDeps & PasswordCheckDeps & { sessions: AccountSessions };

/** What came of a posted form: a token, or what the page says when it is shown again. */
export type TokenIssueOutcome =
  | { ok: true; issued: IssuedToken; resource: Resource }
  | { ok: false; status: 400 | 403 | 429; problem: string; draft: TokenDraft };

const WRONG = 'That is not your password. After many failed tries, wait 15 minutes.';
const STALE =
  'For that, sign in again: without a password it takes a sign-in of the last five minutes. If you just did, the service does not say when you signed in there: ask an administrator for a token.';
const TOO_MANY = `You have ${PERSONAL_ACCESS_TOKENS_PER_USER} tokens already. Revoke one that you do not use.`;

/**
 * Makes a token for whoever is signed in and knows their password, within the limits of the sign-in, or has none and is
 * freshly signed in (403 otherwise): an open browser alone must not be enough for something that lasts a year.
 */
export async function submitToken(ctx: Context, user: User, deps: TokenIssueDeps): Promise<TokenIssueOutcome> {
  const form = formOf(ctx);
  const draft = {
    resource: form.text('resource') ?? '',
    name: (form.text('name') ?? '').trim(),
    days: form.text('days') ?? '',
    scopes: form.all('scope'),
  };
  const refuse = (problem: string, status: 400 | 403 | 429 = 400) => ({ ok: false as const, status, problem, draft });
  const resource = await deps.catalogue.find(draft.resource);
  const holder = { roles: user.roles, permissions: deps.roles };
  const verdict = judgeTokenRequest({ resource, scopes: draft.scopes }, holder);
  const problem = fieldProblem(draft) ?? (verdict.ok ? undefined : wordsFor(verdict.refusal));
  if (problem !== undefined || !verdict.ok || !resource) return refuse(problem ?? '');
  const proof = await proveOneself(ctx, { user, password: form.text('current_password') ?? '' }, deps);
  if (!proof.ok) {
    await recordRefusal(ctx, { user, resource, reason: proof.reason }, deps);
    return refuse(proof.problem, proof.status);
  }
  const wanted = { name: draft.name, resource: resource.url, scopes: verdict.scopes, days: Number(draft.days) };
  const issued = await issue(ctx, { user: proof.user, wanted }, deps);
  return issued ? { ok: true, issued, resource } : refuse(TOO_MANY);
}

type Proof = { ok: true; user: User } | { ok: false; reason: string; problem: string; status: 400 | 403 | 429 };

async function proveOneself(
  ctx: Context,
  { user, password }: { user: User; password: string },
  deps: TokenIssueDeps,
): Promise<Proof> {
  if (user.passwordHash === null) {
    // Looked up after the user was: a sign-in that ended meanwhile vouches for nobody.
    const session = await deps.sessions.find(ctx);
    if (session?.userId === user.id && session.isFresh) return { ok: true, user };
    return { ok: false, reason: 'no fresh sign-in', problem: STALE, status: 403 };
  }
  const check = await checkPassword(ctx, { email: user.email, password }, deps);
  if (check.ok) return { ok: true, user: check.user };
  const { reason } = check.refusal;
  return { ok: false, reason: PASSWORD_REFUSALS[reason], problem: WRONG, status: reason === 'no_match' ? 400 : 429 };
}

const PASSWORD_REFUSALS = { no_match: 'wrong password', too_many_failures: 'too many failures' } as const;

function fieldProblem({ name, days }: TokenDraft): string | undefined {
  if (name === '' || name.length > 80 || /\p{Cc}/u.test(name))
    return 'Say in at most 80 characters what the token is for, so that you know it again.';
  if (!/^[1-9]\d{0,2}$/.test(days) || Number(days) > 365) return 'A token lasts 1 to 365 days.';
  return undefined;
}

function wordsFor(refusal: TokenRequestRefusal): string {
  switch (refusal.reason) {
    case 'unknown_resource':
      return 'There is no such server any more.';
    case 'bound_resource':
      return 'This server takes only tokens that are bound to a key, which a fixed header cannot be.';
    case 'no_scope':
      return 'Leave at least one thing ticked that the token may do.';
    case 'not_permitted':
      return 'You may not allow that. Your roles may have changed.';
  }
}

type Wanted = Pick<Parameters<typeof issuePersonalAccessToken>[1], 'name' | 'resource' | 'scopes' | 'days'>;

function issue(
  ctx: Context,
  { user, wanted }: { user: User; wanted: Wanted },
  { database, clock }: TokenIssueDeps,
): Promise<IssuedToken | undefined> {
  return inTransaction(database, async (within) => {
    const now = clock();
    const issued = await issuePersonalAccessToken(within, { ...wanted, user, issuedBy: undefined, now });
    if (!issued) return undefined;
    await createAuditLog(within).record({
      time: now,
      type: 'personal_access_token.issued',
      outcome: 'success',
      subject: user.id,
      resource: wanted.resource,
      ...originOf(ctx),
      detail: { ...tokenDetail(issued.record), by: 'account page' },
    });
    return issued;
  });
}

function recordRefusal(
  ctx: Context,
  { user, resource, reason }: { user: User; resource: Resource; reason: string },
  { audit, refusals, clock }: TokenIssueDeps,
): Promise<void> {
  // How many passwords are tried is bounded, and the rest is not.
  const sink = reason === PASSWORD_REFUSALS.no_match ? audit : refusals;
  return sink.record({
    time: clock(),
    type: 'personal_access_token.issued',
    outcome: 'denied',
    subject: user.id,
    resource: resource.url,
    ...originOf(ctx),
    detail: { by: 'account page', reason },
  });
}

/** Ends one token of a user. False when the user has none by that id. */
export function revokeToken(
  ctx: Context,
  id: string,
  { database, userId, now }: { database: Database; userId: string; now: Date },
): Promise<boolean> {
  return inTransaction(database, async (within) => {
    const record = await createPersonalAccessTokenStore(within).revoke({ id, userId, now });
    if (!record) return false;
    await createAuditLog(within).record({
      time: now,
      type: 'personal_access_token.revoked',
      outcome: 'success',
      subject: userId,
      resource: record.resource,
      ...originOf(ctx),
      detail: { ...tokenDetail(record), by: 'account page' },
    });
    return true;
  });
}

function originOf(ctx: Context): { address: string; correlationId: string } {
  const { address, correlationId } = requestContext(ctx);
  return { address, correlationId };
}
