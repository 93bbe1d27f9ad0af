import { wellKnownUrl } from './web-address.ts';

const SUFFIX = 'oauth-protected-resource';

/** What the metadata document says. `scopes` is the smallest set that is of use, not the catalogue. */
export type ResourceDescription = Readonly<{
  resource: string;
  issuer: string;
  scopes: readonly string[];
  resourceName?: string | undefined;
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
  const { resource, issuer, scopes, resourceName } = description;
  return {
    resource,
    authorization_servers: [issuer],
    ...(scopes.length > 0 && { scopes_supported: scopes }),
    bearer_methods_supported: ['header'],
    ...(resourceName !== undefined && { resource_name: resourceName }),
  };
}
