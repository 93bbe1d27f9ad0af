import type { UpstreamUse } from '@portcullis/platform';
import { resourceIdentifier } from './resource-url.ts';
import type { RolePermissions } from './roles.ts';

/** A scope in the words that the consent page shows. */
type ScopeDescription = { description: string; sensitive: boolean };

/** A protected MCP server: its canonical URL is the audience of every token for it. */
export type Resource = {
  url: string;
  name: string;
  scopes: Readonly<Record<string, ScopeDescription>>;
  /** What a request without `scope` gets. */
  defaultScopes: readonly string[];
  /** Which of its scopes each role lets its holder grant here, beside what the role permits everywhere. */
  roles?: RolePermissions | undefined;
  /** Set where only clients that were given the resource by name may ask for it. */
  reserved?: true;
  /** What every token for it must be bound to: a key (RFC 9449) or a certificate (RFC 8705). */
  proofOfPossession?: 'dpop' | 'certificate' | undefined;
  /** The third-party service that its server works with in the name of its users, and what each scope needs there. */
  upstream?: UpstreamUse | undefined;
};

/** The support desk that Portcullis ships. */
export function supportDesk(url: string): Resource {
  return {
    url,
    name: 'Support desk',
    scopes: {
      'desk:read': { description: 'Search and read tickets and customers', sensitive: false },
      'desk:write': { description: 'Reply to tickets in your name', sensitive: false },
      'desk:admin': { description: 'Export customer data and administer the desk', sensitive: true },
    },
    defaultScopes: ['desk:read'],
  };
}

/**
 * The desk as its server serves it: one resource, or two with an audience each. What is not taken from the configuration
 * has the desk's own scopes; to act on nothing but what one was asked for, the second half grants no reading.
 */
export function deskResources(mcpUrl: string, split: boolean): readonly [Resource, ...Resource[]] {
  if (!split) return [supportDesk(mcpUrl)];
  const { 'desk:read': _, ...acting } = supportDesk(mcpUrl).scopes;
  return [
    { ...supportDesk(`${mcpUrl}/read`), name: 'Support desk, to read' },
    { url: `${mcpUrl}/act`, name: 'Support desk, to act', scopes: acting, defaultScopes: ['desk:write'] },
  ];
}

/**
 * Finds the resource that a `resource` parameter means.
 *
 * This is the one place where spellings are forgiven (AS-15), because clients differ in them. What is stored and
 * signed is always the canonical string.
 */
export function findResource(resources: readonly Resource[], identifier: string): Resource | undefined {
  // Most clients spell it as it is, several times in a request; reading a URL takes longer than all of the look-up.
  const spelledAsItIs = resources.find(({ url }) => url === identifier);
  if (spelledAsItIs) return spelledAsItIs;
  const wanted = resourceIdentifier(identifier);
  return wanted === undefined ? undefined : resources.find((resource) => resourceIdentifier(resource.url) === wanted);
}

/** The scopes of `requested` that the resource has, in their order. */
export function scopesOfResource(resource: Resource, requested: string | undefined): string[] {
  return [...new Set(requested?.split(' '))].filter((scope) => Object.hasOwn(resource.scopes, scope));
}

/**
 * The scopes of a request that names none which the resource has, because one that ends up with no scope could only be
 * answered with `access_denied` (CL-12): the defaults. Of a client that is limited to `allowed` scopes, those of the
 * defaults that it may have; where it may have none of them, all that it may have.
 */
export function standInScopes(resource: Resource, allowed: readonly string[] | undefined): string[] {
  if (!allowed) return [...resource.defaultScopes];
  const defaults = resource.defaultScopes.filter((scope) => allowed.includes(scope));
  return defaults.length > 0 ? defaults : Object.keys(resource.scopes).filter((scope) => allowed.includes(scope));
}
