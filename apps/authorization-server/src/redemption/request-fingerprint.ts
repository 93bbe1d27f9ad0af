import { hashToken } from '@portcullis/persistence';

/** What makes two refreshes with one token the same request, besides the scopes: those may have become fewer since. */
export type RefreshRequest = {
  clientId: string;
  resource: string;
  /** Thumbprint of the key that the access token is bound to. */
  proofKey: string | undefined;
};

/** SHA-256 of a refresh: the same for a replay, and for nothing else. */
export function fingerprintOf({ clientId, resource, proofKey }: RefreshRequest): string {
  return hashToken(JSON.stringify([clientId, resource, proofKey ?? null]));
}
