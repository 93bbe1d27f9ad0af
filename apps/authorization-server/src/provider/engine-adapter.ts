import type { ClientStore, Database, ReadAuthentication, ReadPresented } from '@portcullis/persistence';
import { type Adapter, type AdapterFactory, type KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import { looksLikeClientIdUrl } from '../client-metadata/client-id-url.ts';
import type { RemoteKeys } from '../client-metadata/remote-keys.ts';
import type { IdentityProviders } from '../enterprise/identity-provider.ts';
import type { Attempts } from '../http/attempts.ts';
import type { FailureLimit } from '../http/failure-limit.ts';
import type { Metrics } from '../metrics.ts';
import { type RedemptionAdapterDeps, redeemedCodes, rotatedRefreshTokens } from '../redemption/adapters.ts';
import { findSettledGrant } from '../redemption/settled-grant.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import { takesAssertions, withAssertionGrant } from './assertion-grant.ts';
import { changedSessionsOnly } from './changed-sessions.ts';
import { beginAuthentication, readAuthenticatingClient, refuseExhaustedClient } from './client-authentication.ts';
import { findDocumentClient } from './document-clients.ts';
import { type ClientCertificates, refuseUncheckedCertificates } from './mutual-tls.ts';
import { refuseUnproven } from './proof-of-possession.ts';
import { withRegisteredKeys } from './remote-metadata.ts';
import { forgetReads, readAhead } from './request-reads.ts';
import { canonicaliseTokenResource } from './resources.ts';
import { openSessionsOnly, type SignInDeps } from './sign-ins.ts';
import { withTokenExchange } from './token-exchange.ts';
import { usedProofs } from './used-proofs.ts';

/** What the seams around the adapter need. */
export type EngineAdapterOptions = Omit<RedemptionAdapterDeps, 'metrics'> &
  SignInDeps & {
    database: Database;
    store: AdapterFactory;
    clients: ClientStore;
    catalogue: ResourceCatalogue;
    clientAuthentications: Attempts;
    readAuthentication: ReadAuthentication;
    readPresented: ReadPresented;
    /** Clients that name themselves by a URL; undefined when there are none. */
    documents?: ClientDocuments | undefined;
    documentFetchLimit: FailureLimit;
    clientCertificates: ClientCertificates | undefined;
    identityProviders: IdentityProviders;
    /** Keys behind the `jwks_uri` of a client. */
    remoteKeys: RemoteKeys;
    metrics: Pick<Metrics, 'tokens'>;
  };

/**
 * The store, with the checks of a token request that the engine offers no hook for. Looking up the client and
 * looking up the code or refresh token are its first steps, and both come before anything is consumed. What is
 * redeemed is held back until the answer is there.
 */
export function engineAdapter(options: EngineAdapterOptions): AdapterFactory {
  const { store, catalogue, clientAuthentications, documents, documentFetchLimit } = options;
  const { remoteKeys, clientCertificates, clock, readAuthentication, readPresented } = options;
  const documentClient = documents && findDocumentClient({ documents, fetchLimit: documentFetchLimit, store });
  const clientAdapter = store('Client');
  const registeredClient = async (clientId: string) => {
    const ctx = tokenRequest();
    if (ctx) await readAhead(ctx, readPresented);
    const authenticating = authenticatingRequest();
    if (authenticating)
      await readAuthenticatingClient(authenticating, {
        clientId,
        limit: clientAuthentications.limit,
        read: readAuthentication,
      });
    const client = await clientAdapter.find(clientId);
    return client && withTokenExchange(client, { ...options, ctx });
  };
  return (model) => {
    const adapter = store(model);
    if (model === 'AuthorizationCode' || model === 'RefreshToken') {
      const redemption = { ...options, metrics: options.metrics.tokens };
      const held = (model === 'RefreshToken' ? rotatedRefreshTokens : redeemedCodes)(adapter, redemption);
      return withFind(held, async (id) => {
        const ctx = tokenRequest();
        if (ctx) await canonicaliseTokenResource(ctx, catalogue);
        const stored = await held.find(id);
        if (ctx && stored) await refuseUnproven(ctx, { stored, catalogue, now: clock() });
        return stored;
      });
    }
    if (model === 'Grant') return withFind(adapter, findSettledGrant(adapter, clock));
    if (model === 'ReplayDetection') return replaced(adapter, usedProofs(adapter));
    if (model === 'Client') {
      return withFind(adapter, async (clientId) => {
        const ctx = authenticatingRequest();
        if (ctx) beginAuthentication(ctx, clientId, clientAuthentications);
        const found =
          documentClient && looksLikeClientIdUrl(clientId)
            ? await documentClient(clientId)
            : await registeredClient(clientId);
        const client = found && tokenRequest() && takesAssertions(options) ? withAssertionGrant(found) : found;
        await nameRedirectUri(tokenRequest(), { clientId, codes: store('AuthorizationCode') });
        if (ctx && client) refuseUncheckedCertificates(client, clientCertificates);
        if (ctx && client && client.token_endpoint_auth_method !== 'none') {
          await refuseExhaustedClient(ctx, { clientId, limit: clientAuthentications.limit });
        }
        const request = Provider.ctx;
        if (!client || !request) return client;
        const withKeys = await withRegisteredKeys(client, { ctx: request, remoteKeys, limit: documentFetchLimit });
        // Keys that had to be fetched took a while.
        if (client.jwks_uri !== undefined) forgetReads(request);
        return withKeys;
      });
    }
    if (model === 'Session') {
      const sessions = changedSessionsOnly(adapter);
      const { find, findByUid } = openSessionsOnly(sessions, options);
      return { ...withFind(sessions, find), findByUid };
    }
    return adapter;
  };
}

/**
 * A client of OAuth 2.1 names no redirect URI when it redeems a code (§4.1.3), and the engine demands it: it is given the
 * one that the client's own code was sent to. What a client does name is compared as ever (§10.2).
 */
async function nameRedirectUri(
  ctx: KoaContextWithOIDC | undefined,
  { clientId, codes }: { clientId: string; codes: Adapter },
): Promise<void> {
  const { params } = ctx?.oidc ?? {};
  if (params?.grant_type !== 'authorization_code' || params.redirect_uri !== undefined) return;
  const code = typeof params.code === 'string' ? await codes.find(params.code) : undefined;
  if (code?.clientId === clientId) params.redirect_uri = code.redirectUri;
}

function tokenRequest(): KoaContextWithOIDC | undefined {
  const ctx = Provider.ctx;
  return ctx?.oidc.route === 'token' ? ctx : undefined;
}

const AUTHENTICATING_ROUTES: readonly (string | undefined)[] = ['token', 'introspection', 'revocation'];

function authenticatingRequest(): KoaContextWithOIDC | undefined {
  const ctx = Provider.ctx;
  return AUTHENTICATING_ROUTES.includes(ctx?.oidc.route) ? ctx : undefined;
}

function withFind(adapter: Adapter, find: Adapter['find']): Adapter {
  return replaced(adapter, { find });
}

function replaced(adapter: Adapter, methods: Partial<Adapter>): Adapter {
  return {
    find: (id) => adapter.find(id),
    upsert: (id, payload, expiresIn) => adapter.upsert(id, payload, expiresIn),
    findByUserCode: (userCode) => adapter.findByUserCode(userCode),
    findByUid: (uid) => adapter.findByUid(uid),
    consume: (id) => adapter.consume(id),
    destroy: (id) => adapter.destroy(id),
    revokeByGrantId: (grantId) => adapter.revokeByGrantId(grantId),
    ...methods,
  };
}
