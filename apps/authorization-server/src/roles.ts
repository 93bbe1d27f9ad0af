/** Which scopes a role lets its holder grant to a client. */
export type RolePermissions = Readonly<Record<string, readonly string[]>>;

/** The roles that are always there; a configuration file may change them or add others. */
export const BUILT_IN_ROLES: RolePermissions = {
  agent: ['desk:read', 'desk:write'],
  lead: ['desk:read', 'desk:write', 'desk:admin'],
  admin: ['admin:*'],
};

/** What roles permit at a resource: what they permit everywhere, and what the resource itself says. */
export function permissionsAt(
  { roles }: { roles?: RolePermissions | undefined },
  everywhere: RolePermissions,
): RolePermissions {
  if (!roles) return everywhere;
  const names = new Set([...Object.keys(everywhere), ...Object.keys(roles)]);
  const permitted = (permissions: RolePermissions, role: string) =>
    Object.hasOwn(permissions, role) ? (permissions[role] ?? []) : [];
  return Object.fromEntries(
    [...names].map((role) => [role, [...permitted(everywhere, role), ...permitted(roles, role)]]),
  );
}

/**
 * The scopes out of `scopes` that a holder of `roles` may grant, in their given order.
 * A role names scopes exactly; only `admin:*` stands for a family, and only in the role `admin`.
 */
export function permittedScopes(
  scopes: readonly string[],
  { roles, permissions }: { roles: readonly string[]; permissions: RolePermissions },
): string[] {
  const allowed = new Set(roles.flatMap((role) => permissions[role] ?? []));
  return scopes.filter((scope) => allowed.has(scope) || (scope.startsWith('admin:') && allowed.has('admin:*')));
}
