import { randomBytes, randomUUID } from 'node:crypto';
import type { ClientMetadata, NewClient } from '@portcullis/persistence';

/** How the server of a resource authenticates to this one: with a secret, or with a key of its own. */
export type ResourceServerAuthentication =
  | { method: 'client_secret_basic' | 'client_secret_post' }
  | { method: 'private_key_jwt'; jwks: NonNullable<ClientMetadata['jwks']> };

/** A client to be stored, with the secret in clear that is shown once. */
export type ResourceServerClient = NewClient & { resourceServer: string };

/**
 * The client that the server of a resource is here: it introspects tokens and learns of revocations, and does nothing
 * else. It has no grant type and no redirect URI, so that no user and no endpoint can give it a token, and its empty
 * limits say the same once more.
 */
export function resourceServerClient(
  { url, name }: { url: string; name: string },
  { authentication, now }: { authentication: ResourceServerAuthentication; now: Date },
): ResourceServerClient {
  const { method } = authentication;
  return {
    resourceServer: url,
    registration: 'manual',
    metadata: {
      client_id: randomUUID(),
      client_name: name,
      token_endpoint_auth_method: method,
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      ...(method === 'private_key_jwt' && { jwks: authentication.jwks }),
    },
    permissions: { firstParty: true, allowedScopes: [], allowedResources: [] },
    ...(method !== 'private_key_jwt' && { secret: createClientSecret() }),
    now,
  };
}

/** 256 random bits. */
export function createClientSecret(): string {
  return randomBytes(32).toString('base64url');
}
