import type { AdapterPayload } from 'oidc-provider';
import type { Client } from '../generated/postgresql/client.ts';
import { hashClientSecret, joinSecretHashes } from '../token-hash.ts';
import { jsonOrNull, parseOptional, parsePayload, present } from './payload-form.ts';

/** The columns of a client's metadata; its secret has its own, which {@link secretColumns} fills. */
export function metadataColumns(payload: AdapterPayload) {
  const {
    client_id,
    client_secret,
    client_name,
    application_type,
    token_endpoint_auth_method,
    redirect_uris,
    grant_types,
    ...rest
  } = payload;
  return {
    name: client_name ?? null,
    applicationType: application_type ?? null,
    tokenEndpointAuthMethod: token_endpoint_auth_method ?? null,
    redirectUris: jsonOrNull(redirect_uris),
    grantTypes: jsonOrNull(grant_types),
    metadata: JSON.stringify(rest),
  };
}

/** The columns of a new secret, which ends the one before at once; null for none. */
export function secretColumns(secret: string | null) {
  return {
    secretHash: secret === null ? null : hashClientSecret(secret),
    previousSecretHash: null,
    previousSecretExpiresAt: null,
  };
}

/** A client's metadata by the names of RFC 7591, without its secret. */
export function toMetadata(client: Client): AdapterPayload {
  return present({
    ...parsePayload(client.metadata),
    client_id: client.id,
    client_name: client.name ?? undefined,
    application_type:
      client.applicationType === 'native' ? 'native' : client.applicationType === 'web' ? 'web' : undefined,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod ?? undefined,
    redirect_uris: parseOptional<string[]>(client.redirectUris),
    grant_types: parseOptional<string[]>(client.grantTypes),
  } as AdapterPayload);
}

/** What stands for the secrets that a client may use now: their hashes. Undefined for a client without any. */
export function currentSecretHashes(client: Client, now: Date): string | undefined {
  if (client.secretHash === null) return undefined;
  const { previousSecretHash: previous, previousSecretExpiresAt: until } = client;
  return previous !== null && until !== null && until > now
    ? joinSecretHashes(client.secretHash, previous)
    : client.secretHash;
}

/** Whether a client may be used: reviewed, neither expired nor disabled. */
export function isUsable(client: Client, now: Date): boolean {
  return client.review === 'approved' && client.disabledAt === null && isLive(client, now);
}

/** Whether a client is still there. */
export function isLive({ expiresAt }: Client, now: Date): boolean {
  return expiresAt === null || expiresAt > now;
}
