import { wellKnownUrl } from './web-address.ts';

const SUFFIX = 'oauth-protected-resource';

/** What the metadata document says. `scopes` is the smallest set that is of use, not the catalogue. */
export type ResourceDescription = Readonly<{
  resource: string;
  issuer: string;
  scopes: readonly string[];
  resourceName?: string | undefined;
  /** The algorithms that DPoP proofs may have. */
  proofAlgorithms: readonly string[];
  /** What every token must be bound to. */
  proofOfPossession?: 'dpop' | 'certificate' | undefined;
}>;

/** The URL that challenges point to: the suffix inserted before the resource's path. */
export function resourceMetadataUrl(resource: string): string {
  return wellKnownUrl(resource, SUFFIX);
}

/** The paths under which the document is served: path-inserted, and at the root for clients that look only there. */
export function resourceMetadataPaths(resource: string): ReadonlySet<string> {
  return new Set([new URL(resourceMetadataUrl(resource)).pathname, `/.well-known/${SUFFIX}`]);
}

/**
 * The protected-resource metadata document. It is made of configuration alone, so that no header of a request can
 * change a URL in it.
 *
 * @see RFC 9728 section 2
 */
export function resourceMetadataDocument(description: ResourceDescription): Record<string, unknown> {
  const { resource, issuer, scopes, resourceName, proofAlgorithms, proofOfPossession } = description;
  return {
    resource,
    authorization_servers: [issuer],
    ...(scopes.length > 0 && { scopes_supported: scopes }),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: proofAlgorithms,
    ...(proofOfPossession === 'dpop' && { dpop_bound_access_tokens_required: true }),
    ...(proofOfPossession === 'certificate' && { tls_client_certificate_bound_access_tokens: true }),
    ...(resourceName !== undefined && { resource_name: resourceName }),
  };
}
