import type { User } from '@portcullis/persistence';
import type { Resource } from '../resources.ts';
import { permissionsAt, permittedScopes, type RolePermissions } from '../roles.ts';

/** Whose token it is, and what roles permit everywhere. */
export type TokenHolder = Readonly<{ roles: User['roles']; permissions: RolePermissions }>;

/** Why no such token can be made. */
export type TokenRequestRefusal =
  | Readonly<{ reason: 'unknown_resource' | 'bound_resource' | 'no_scope' }>
  | Readonly<{ reason: 'not_permitted'; scopes: readonly string[] }>;

/** The scopes that a token may have, in the resource's order, or why there can be none. */
export type TokenRequestVerdict = { ok: true; scopes: string[] } | { ok: false; refusal: TokenRequestRefusal };

/**
 * What a personal access token of somebody can be worth at a resource at this moment: nothing at the admin API, which
 * takes none, and nothing where tokens must be bound to a key, which a fixed header cannot prove.
 */
export function tokenScopesAt(resource: Resource, { roles, permissions }: TokenHolder): string[] {
  if (resource.reserved || resource.proofOfPossession) return [];
  return permittedScopes(Object.keys(resource.scopes), { roles, permissions: permissionsAt(resource, permissions) });
}

/** Judges which scopes are asked for at which resource. A reserved resource is not even confirmed. */
export function judgeTokenRequest(
  { resource, scopes }: { resource: Resource | undefined; scopes: readonly string[] },
  holder: TokenHolder,
): TokenRequestVerdict {
  if (!resource || resource.reserved) return { ok: false, refusal: { reason: 'unknown_resource' } };
  if (resource.proofOfPossession) return { ok: false, refusal: { reason: 'bound_resource' } };
  if (scopes.length === 0) return { ok: false, refusal: { reason: 'no_scope' } };
  const permitted = tokenScopesAt(resource, holder);
  const foreign = scopes.filter((scope) => !permitted.includes(scope));
  if (foreign.length > 0) return { ok: false, refusal: { reason: 'not_permitted', scopes: foreign } };
  return { ok: true, scopes: permitted.filter((scope) => scopes.includes(scope)) };
}
