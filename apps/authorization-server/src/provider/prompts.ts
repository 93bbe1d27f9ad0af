import type { ConsentStore, UpstreamConnectionStore } from '@portcullis/persistence';
import type { AuditSink, Clock } from '@portcullis/platform';
import { type Grant, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { FRESH_SIGN_IN_SECONDS } from '../admin/admin-resource.ts';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import { requestContext } from '../http/request-context.ts';
import { redirectTarget } from '../redirect-uri.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { Resource } from '../resources.ts';
import { upstreamScopesOf } from '../upstream/upstream.ts';
import { documentOf } from './document-clients.ts';
import { FEDERATED } from './session-cookie.ts';

/** How long a decision is remembered, in seconds: 90 days, the most that SP-16 allows. */
export const CONSENT_TTL_SECONDS = 90 * 24 * 3600;

type PromptOptions = { catalogue: ResourceCatalogue; connections: UpstreamConnectionStore; clock: Clock };

/**
 * The engine's prompts, with two more reasons to ask for the password: the session's user is gone or disabled, and
 * administration is asked for by somebody who signed in longer than five minutes ago. After login and consent comes the
 * upstream, where the resource works with one.
 */
export function interactionPrompts({ catalogue, connections, clock }: PromptOptions) {
  const policy = interactionPolicy.base();
  const { Check } = interactionPolicy;
  policy.add(upstreamPrompt({ catalogue, connections }));
  const { checks } = policy.get('login') ?? {};
  checks?.add(
    new Check('stale_sign_in', 'administration takes a fresh sign-in', 'login_required', ({ oidc }) => {
      if (!isForReserved(oidc.params?.resource, catalogue)) return Check.NO_NEED_TO_PROMPT;
      if (oidc.session?.amr?.includes(FEDERATED)) return Check.REQUEST_PROMPT;
      if (oidc.result?.login) return Check.NO_NEED_TO_PROMPT;
      const signedInAt = oidc.session?.loginTs ?? 0;
      const isFresh = clock().getTime() / 1000 - signedInAt <= FRESH_SIGN_IN_SECONDS;
      return isFresh ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT;
    }),
  );
  checks?.add(
    new Check('user_gone', 'the user of this session can no longer sign in', ({ oidc }) =>
      oidc.session?.accountId !== undefined && oidc.account === undefined
        ? Check.REQUEST_PROMPT
        : Check.NO_NEED_TO_PROMPT,
    ),
  );
  return policy;
}

/** The engine comes to it only when there is a grant: what a user has not agreed to for this client asks for nothing. */
function upstreamPrompt({ catalogue, connections }: Pick<PromptOptions, 'catalogue' | 'connections'>) {
  const { Check, Prompt } = interactionPolicy;
  return new Prompt(
    { name: 'upstream', requestable: false },
    new Check('upstream_missing', 'the service that the resource works with is not connected', async ({ oidc }) => {
      const grant = oidc.entities.Grant;
      const [url] = Object.keys(oidc.resourceServers ?? {});
      const resource = url === undefined ? undefined : await catalogue.find(url);
      if (!grant?.jti || url === undefined || !resource) return Check.NO_NEED_TO_PROMPT;
      const granted = grant.getResourceScope(url).split(' ');
      if (upstreamScopesOf(resource, granted).length === 0) return Check.NO_NEED_TO_PROMPT;
      const found = await connections.agreement(grant.jti);
      return found?.connection ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT;
    }),
  );
}

/** The scopes of an upstream as a decision about them is remembered: with the upstream's name. */
export function rememberedUpstreamScopes(resource: Pick<Resource, 'upstream'>, scopes: readonly string[]): string[] {
  return upstreamScopesOf(resource, scopes).map((scope) => `${resource.upstream?.name}:${scope}`);
}

function isForReserved(asked: unknown, catalogue: ResourceCatalogue): boolean {
  return [asked].flat().some((url) => typeof url === 'string' && catalogue.isReserved(url));
}

/** Whether a decision may be remembered: not where the redirect proves nothing about who receives the code (PX-14). */
export function mayRememberConsent(redirectUri: string): boolean {
  return redirectTarget(redirectUri)?.kind === 'web';
}

/** Whether what was allowed before covers what is asked now; more than that must be asked again. */
export function coversRequest(remembered: readonly string[], requested: readonly string[]): boolean {
  return requested.length > 0 && requested.every((scope) => remembered.includes(scope));
}

/** What giving a grant out of memory needs. */
export type RememberedConsents = {
  consents: ConsentStore;
  connections: UpstreamConnectionStore;
  catalogue: ResourceCatalogue;
  documents?: ClientDocuments | undefined;
  audit: AuditSink;
  clock: Clock;
};

/**
 * The engine's `loadExistingGrant`: the grant that was just consented to, or a new one out of a remembered consent.
 *
 * Every authorization gets a grant of its own, so that the tokens of one installation share no fate with those of
 * another one under the same client id.
 */
export function loadExistingGrant(options: RememberedConsents) {
  return async (ctx: KoaContextWithOIDC): Promise<Grant | undefined> => {
    const { oidc } = ctx;
    const decided = oidc.result?.consent?.grantId;
    if (decided !== undefined) return oidc.provider.Grant.find(decided);
    return oidc.prompts.has('consent') ? undefined : grantFromMemory(ctx, options);
  };
}

async function grantFromMemory(
  ctx: KoaContextWithOIDC,
  { consents, connections, catalogue, documents, audit, clock }: RememberedConsents,
): Promise<Grant | undefined> {
  const { oidc } = ctx;
  const userId = oidc.session?.accountId;
  const clientId = oidc.client?.clientId;
  const { redirect_uri: redirectUri, scope } = oidc.params ?? {};
  const [resource] = Object.keys(oidc.resourceServers ?? {});
  const found = resource === undefined ? undefined : await catalogue.find(resource);
  if (!userId || !clientId || !resource || !found || typeof redirectUri !== 'string' || typeof scope !== 'string')
    return undefined;
  if (!mayRememberConsent(redirectUri)) return undefined;
  const document = documentOf(oidc.client);
  const remembered = await consents.find({
    userId,
    clientId,
    resource,
    redirectUri,
    clientFingerprint: document?.fingerprint,
    now: clock(),
  });
  const requested = scope.split(' ');
  if (!remembered || !coversRequest(remembered.scopes, requested)) return undefined;
  const upstreamScopes = upstreamScopesOf(found, requested);
  // What a scope needs at the upstream may have grown since (PX-5).
  if (!rememberedUpstreamScopes(found, requested).every((scope) => remembered.upstreamScopes.includes(scope)))
    return undefined;
  const grant = new oidc.provider.Grant({ accountId: userId, clientId });
  grant.addResourceScope(resource, requested.join(' '));
  const grantId = await grant.save();
  if (found.upstream && upstreamScopes.length > 0)
    await connections.agree({ grantId, upstream: found.upstream.name, scopes: upstreamScopes });
  if (document) await documents?.bindGrant({ grantId, clientId, version: document.version });
  const { address, correlationId } = requestContext(ctx);
  await audit.record({
    ...{ time: clock(), type: 'consent.reused', outcome: 'success', address, correlationId },
    ...{ subject: userId, client: clientId, resource, detail: { granted: requested.join(' '), grantId } },
  });
  return grant;
}
