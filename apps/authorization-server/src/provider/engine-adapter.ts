import { type Adapter, type AdapterFactory, type KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import type { ClientDocuments } from '../client-metadata/client-documents.ts';
import { looksLikeClientIdUrl } from '../client-metadata/client-id-url.ts';
import type { FailureLimit } from '../http/failure-limit.ts';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import { refuseExhaustedClient } from './client-authentication.ts';
import { findDocumentClient } from './document-clients.ts';
import { canonicaliseTokenResource } from './resources.ts';

/** What the seams around the adapter need. */
export type EngineAdapterOptions = {
  store: AdapterFactory;
  catalogue: ResourceCatalogue;
  clientAuthenticationLimit: FailureLimit;
  /** Clients that name themselves by a URL; undefined when there are none. */
  documents?: ClientDocuments | undefined;
  documentFetchLimit: FailureLimit;
};

/**
 * The store, with the two checks of a token request that the engine offers no hook for. Looking up the client and
 * looking up the code or refresh token are its first steps, and both come before anything is consumed.
 */
export function engineAdapter(options: EngineAdapterOptions): AdapterFactory {
  const { store, catalogue, clientAuthenticationLimit, documents, documentFetchLimit } = options;
  const documentClient = documents && findDocumentClient({ documents, fetchLimit: documentFetchLimit, store });
  return (model) => {
    const adapter = store(model);
    if (model === 'AuthorizationCode' || model === 'RefreshToken') {
      return withFind(adapter, async (id) => {
        const ctx = tokenRequest();
        if (ctx) await canonicaliseTokenResource(ctx, catalogue);
        return adapter.find(id);
      });
    }
    if (model === 'Client') {
      return withFind(adapter, async (clientId) => {
        const client =
          documentClient && looksLikeClientIdUrl(clientId)
            ? await documentClient(clientId)
            : await adapter.find(clientId);
        const ctx = authenticatingRequest();
        if (ctx && client && client.token_endpoint_auth_method !== 'none') {
          await refuseExhaustedClient(ctx, { clientId, limit: clientAuthenticationLimit });
        }
        return client;
      });
    }
    return adapter;
  };
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
  return {
    find,
    upsert: (id, payload, expiresIn) => adapter.upsert(id, payload, expiresIn),
    findByUserCode: (userCode) => adapter.findByUserCode(userCode),
    findByUid: (uid) => adapter.findByUid(uid),
    consume: (id) => adapter.consume(id),
    destroy: (id) => adapter.destroy(id),
    revokeByGrantId: (grantId) => adapter.revokeByGrantId(grantId),
  };
}
