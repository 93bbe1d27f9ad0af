import {
  createLinkedIdentityStore,
  type Database,
  grantForAssertion,
  isAsJudged,
  useIdentifier,
} from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import type { AdapterPayload, Client, errors, KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import { type Assertion, verifyAssertion } from '../enterprise/assertion.ts';
import { grantedScopes } from '../enterprise/granted-scopes.ts';
import type { IdentityProviders } from '../enterprise/identity-provider.ts';
import type { ProviderKeys } from '../enterprise/provider-keys.ts';
import { type AssertionRefusal, refuse, retryAfterSeconds, toOAuthError } from '../enterprise/refusal.ts';
import type { FailureLimit } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { newUser } from '../identities/new-user.ts';
import { userOfIdentity } from '../identities/user-of-identity.ts';
import { type AccountDeps, findAccount, rolesOf } from './accounts.ts';
import { noteForAudit } from './audit-events.ts';
import { refuseEarlyProof } from './proof-of-possession.ts';
import { admitsFetch } from './remote-metadata.ts';
import { type ResourceOptions, resourceIndicators } from './resources.ts';
import { type TokenBinding, tokenBindingOf } from './token-binding.ts';

/** The grant type of assertions (RFC 7523, section 2.1). */
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Names the profile in our metadata (EX-6). */
const GRANT_PROFILE = 'urn:ietf:params:oauth:grant-profile:id-jag';

/** What the grant needs. */
export type AssertionGrantOptions = AccountDeps &
  ResourceOptions & {
    database: Database;
    site: { issuer: string };
    identityProviders: IdentityProviders;
    providerKeys: ProviderKeys;
    documentFetchLimit: FailureLimit;
    /** How long a grant is listed after its last use, in seconds. */
    grantKeptSeconds: number;
    clock: Clock;
  };

/** Whether anybody's assertions are taken. */
export function takesAssertions({ identityProviders }: Pick<AssertionGrantOptions, 'identityProviders'>): boolean {
  return Object.keys(identityProviders).length > 0;
}

/** What our metadata says about the grant; nothing while it is off. */
export function assertionGrantMetadata(options: Pick<AssertionGrantOptions, 'identityProviders'>): object {
  return takesAssertions(options) ? { authorization_grant_profiles_supported: [GRANT_PROFILE] } : {};
}

/**
 * A client with the grant type, for the token endpoint: nobody registers for it, the provider's own list of clients
 * decides. A client that may ask for no tokens at all does not get it.
 */
export function withAssertionGrant(client: AdapterPayload): AdapterPayload {
  const { grant_types: types = ['authorization_code'] } = client;
  return types.length === 0 ? client : { ...client, grant_types: [...types, GRANT_TYPE] };
}

/** Has the engine take assertions of the configured identity providers; does nothing where there are none. */
export function registerAssertionGrant(provider: Provider, options: AssertionGrantOptions): void {
  if (!takesAssertions(options)) return;
  provider.registerGrantType(
    GRANT_TYPE,
    async (ctx) => {
      const outcome = await tradeAssertion(ctx, { provider, options });
      if (outcome.ok) ctx.body = outcome.answer;
      else throw refusalError(ctx, outcome.refusal);
    },
    ['assertion', 'scope', 'resource'],
  );
}

type Refused = { ok: false; refusal: AssertionRefusal };
type Trade = { provider: Provider; options: AssertionGrantOptions };

/**
 * Trades an assertion for an access token, never for a refresh token: the next assertion takes its place
 * (ID-JAG draft, section 4.4.3). Everything is judged before the assertion is used up.
 */
async function tradeAssertion(ctx: KoaContextWithOIDC, trade: Trade): Promise<{ ok: true; answer: object } | Refused> {
  const { provider, options } = trade;
  const now = options.clock();
  const { client, params = {} } = ctx.oidc;
  if (!client) throw new TypeError('a token request without a client');
  const binding = await tokenBindingOf(provider, ctx);
  refuseEarlyProof(ctx, now);
  const verified = await verifyAssertion(params.assertion, {
    providers: options.identityProviders,
    audience: options.site.issuer,
    clientId: client.clientId,
    keysOf: (of) => options.providerKeys({ ...of, admit: () => admitsFetch(ctx, options.documentFetchLimit) }),
    now,
  });
  if (!verified.ok) return verified;
  const { assertion } = verified;
  noteForAudit(ctx, { identityProvider: assertion.issuer, assertion: assertion.id });
  const problem = clientProblem(client, assertion) ?? proofProblem(binding, assertion);
  if (problem) return refuse(problem);
  const judged = { assertion, binding, client, trade, requested: params.scope };
  const allowed = await judgeAccess(ctx, judged);
  if (!allowed.ok) return allowed;
  if (!(await useAssertion(assertion, { options, now }))) return refuse('replayed');
  return issueAsAllowed(ctx, { ...judged, allowed });
}

/** So often it is judged what a user may do who gets other roles meanwhile. */
const JUDGEMENTS = 3;

/**
 * Issues what was found to be allowed. A role that is taken meanwhile ends the tokens that are out, and not the one that is
 * on its way here: so whether the user still has the roles is looked at last, and if not, all is judged anew.
 */
async function issueAsAllowed(
  ctx: KoaContextWithOIDC,
  { allowed: first, ...judged }: Judged & { allowed: Access },
): Promise<{ ok: true; answer: object } | Refused> {
  let allowed = first;
  for (let judgement = 1; ; judgement += 1) {
    const answer = await issue(ctx, { ...allowed, ...judged });
    if (answer !== undefined) return { ok: true, answer };
    if (judgement === JUDGEMENTS) return refuse('access_changed');
    const again = await judgeAccess(ctx, judged);
    if (!again.ok) return again;
    allowed = again;
  }
}

function clientProblem(client: Client, { provider }: Assertion): 'client_not_allowed' | undefined {
  // Whoever only says a name is let in where an administrator wrote that name down.
  const allowed = provider.clients ? provider.clients.includes(client.clientId) : client.clientAuthMethod !== 'none';
  return allowed ? undefined : 'client_not_allowed';
}

function proofProblem(
  { proofKey }: TokenBinding,
  assertion: Assertion,
): 'proof_missing' | 'other_proof_key' | undefined {
  if (assertion.proofKey === undefined || assertion.proofKey === proofKey) return undefined;
  return proofKey === undefined ? 'proof_missing' : 'other_proof_key';
}

type Judged = {
  assertion: Assertion;
  binding: TokenBinding;
  client: Client;
  trade: Trade;
  /** The client's `scope` parameter. */
  requested: unknown;
};
type Access = {
  userId: string;
  /** The roles by which it was judged. */
  roles: readonly string[];
  resource: string;
  scopes: string[];
  server: Awaited<ReturnType<ServerInfo>>;
};
type ServerInfo = ReturnType<typeof resourceIndicators>['getResourceServerInfo'];

/** Whom the assertion is about, for which resource, and what of it they may do there. */
async function judgeAccess(
  ctx: KoaContextWithOIDC,
  { assertion, binding, client, trade: { options }, requested }: Judged,
): Promise<({ ok: true } & Access) | Refused> {
  const { params = {} } = ctx.oidc;
  const resource = await options.catalogue.find(assertion.resource);
  // Administration takes a fresh sign-in and the user's own consent; nobody's word stands for them.
  if (!resource || resource.reserved) return refuse('unknown_resource');
  const asked = typeof params.resource === 'string' ? await options.catalogue.find(params.resource) : resource;
  if (asked?.url !== resource.url) return refuse('other_resource');
  if (resource.proofOfPossession !== undefined && !binding.binds) return refuse('unbound');
  params.resource = resource.url;
  const user = await userOf(ctx, assertion, options);
  if (!user.ok) return user;
  const account = await findAccount(options)(ctx, user.userId);
  if (!account) return refuse('user_disabled');
  ctx.oidc.entity('Account', account);
  const server = await resourceIndicators(options).getResourceServerInfo(ctx, resource.url, client);
  const scopes = grantedScopes({
    requested: typeof requested === 'string' ? requested.split(' ') : undefined,
    asserted: assertion.scopes,
    ofProvider: assertion.provider.scopes,
    offered: Object.keys(resource.scopes),
    defaults: resource.defaultScopes,
    permitted: server.scope.split(' '),
  });
  if (!scopes.ok) return scopes;
  const [userId, roles] = [user.userId, rolesOf(account)];
  return { ok: true, userId, roles, resource: resource.url, scopes: scopes.scopes, server };
}

async function userOf(
  ctx: KoaContextWithOIDC,
  { issuer, subject, email, emailVerified, provider }: Assertion,
  { database, clock }: AssertionGrantOptions,
): Promise<{ ok: true; userId: string } | Refused> {
  const { address, correlationId } = requestContext(ctx);
  const found = await userOfIdentity(
    { issuer, subject },
    {
      database,
      whenUnknown: newUser({ email, emailVerified }, provider.newUsers),
      now: clock(),
      origin: { address, correlationId },
    },
  );
  return found.ok ? found : refuse(found.reason);
}

function useAssertion(
  { issuer, id, usableUntil }: Assertion,
  { options, now }: { options: AssertionGrantOptions; now: Date },
): Promise<boolean> {
  const identifier = JSON.stringify([GRANT_PROFILE, issuer, id]);
  return useIdentifier(options.database, { identifier, until: usableUntil, now });
}

/** The answer with a token; undefined where the user is not any more what was judged. */
async function issue(
  ctx: KoaContextWithOIDC,
  {
    userId,
    roles,
    resource,
    scopes,
    server,
    assertion,
    binding,
    client,
    trade: { provider, options },
  }: Judged & Access,
): Promise<object | undefined> {
  const { database, users, grantKeptSeconds: keptSeconds, clock } = options;
  const { issuer, subject } = assertion;
  const { clientId } = client;
  const given = await grantForAssertion(database, {
    userId,
    roles,
    clientId,
    identityProvider: issuer,
    resource,
    scopes,
    keptSeconds,
    now: clock(),
  });
  const grant = given && (await provider.Grant.find(given.id));
  if (!grant) return undefined;
  if (given.isNew) noteForAudit(ctx, { grant: 'new' });
  ctx.oidc.entity('Grant', grant);
  if (ctx.oidc.params) ctx.oidc.params.scope = scopes.join(' ');
  const token = new provider.AccessToken({ accountId: userId, client, grantId: given.id, gty: GRANT_TYPE });
  token.resourceServer = new provider.ResourceServer(resource, server);
  token.scope = scopes.join(' ');
  await binding.bind(token);
  ctx.oidc.entity('AccessToken', token);
  const value = await token.save();
  await createLinkedIdentityStore(database).noteUse({ issuer, subject, now: clock() });
  // A role that is taken from here on ends this token: it stands on a grant that is there, and has its time.
  const user = await users.findById(userId);
  if (!user || !isAsJudged(user, { roles })) return undefined;
  return {
    access_token: value,
    token_type: token.tokenType,
    expires_in: token.expiration,
    scope: token.scope,
  };
}

function refusalError(ctx: KoaContextWithOIDC, refusal: AssertionRefusal): errors.OIDCProviderError {
  noteForAudit(ctx, { ...refusal });
  const seconds = retryAfterSeconds(refusal);
  if (seconds !== undefined) ctx.set('Retry-After', String(seconds));
  return toOAuthError(refusal);
}
