import { type ClientMetadata, hashToken } from '@portcullis/persistence';
import { redirectTarget } from '../redirect-uri.ts';

/**
 * What identical registrations of public clients have in common, so that they can share one client; undefined for a
 * client with credentials, which are nobody else's. A loopback port says nothing: any may be used (RFC 8252 §7.3).
 */
export function reuseKeyOf(metadata: ClientMetadata): string | undefined {
  if (metadata.token_endpoint_auth_method !== 'none') return undefined;
  const { client_id, client_id_issued_at, redirect_uris = [], ...rest } = metadata;
  const described = { ...rest, redirect_uris: [...new Set(redirect_uris.map(withoutLoopbackPort))].sort() };
  return hashToken(JSON.stringify(Object.entries(described).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function withoutLoopbackPort(uri: string): string {
  if (redirectTarget(uri)?.kind !== 'loopback') return uri;
  return uri.replace(/^(http:\/\/(?:\[[^\]]*\]|[^/?:]*)):\d*/i, '$1');
}
