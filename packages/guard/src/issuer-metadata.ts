import { type FetchSettings, fetchJsonObject } from './fetch-json.ts';
import { wellKnownUrl } from './web-address.ts';

/**
 * Fetches the issuer's metadata. The document must name the very issuer that it was asked of, character by
 * character.
 *
 * @throws Error when it cannot be had or speaks for another issuer
 * @see RFC 8414 section 3
 */
export async function fetchIssuerMetadata(issuer: string, settings: FetchSettings): Promise<Record<string, unknown>> {
  const metadata = await fetchJsonObject(issuerMetadataUrl(issuer), settings);
  if (metadata.issuer !== issuer) throw new Error('the metadata document names another issuer');
  return metadata;
}

function issuerMetadataUrl(issuer: string): string {
  return wellKnownUrl(issuer, 'oauth-authorization-server').replace(/\/$/, '');
}
