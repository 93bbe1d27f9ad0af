/** Which scopes each role permits. A role that is not here permits nothing. */
export type RolePermissions = ReadonlyMap<string, readonly string[]>;

/** The desk's own roles. `admin` concerns the authorization server alone; `repos:read` is a user's own account elsewhere. */
export const DESK_ROLE_PERMISSIONS: RolePermissions = new Map([
  ['agent', ['desk:read', 'desk:write', 'repos:read']],
  ['lead', ['desk:read', 'desk:write', 'desk:admin', 'repos:read']],
  ['admin', []],
]);

/**
 * The scopes that a user's roles permit together, or `undefined` where the token names no roles,
 * as with a machine that acts for itself: then nothing but the token's scopes limits it.
 */
export function permittedScopes(
  roles: readonly string[] | undefined,
  permissions: RolePermissions,
): ReadonlySet<string> | undefined {
  if (roles === undefined) return undefined;
  return new Set(roles.flatMap((role) => permissions.get(role) ?? []));
}
