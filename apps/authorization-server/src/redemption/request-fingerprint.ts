import { hashToken } from '@portcullis/persistence';

/** What makes two refreshes with one token the same request. */
export type RefreshRequest = {
  clientId: string;
  resource: string;
  /** Separated by spaces, in any order; what the refresh token has, where the request named none. */
  scope: string;
  /** Thumbprint of the key that the access token is bound to. */
  proofKey: string | undefined;
};

/** SHA-256 of a refresh: the same for a replay, and for nothing else. */
export function fingerprintOf({ clientId, resource, scope, proofKey }: RefreshRequest): string {
  const scopes = [...new Set(scope.split(' ').filter(Boolean))].sort();
  return hashToken(JSON.stringify([clientId, resource, scopes, proofKey ?? null]));
}
