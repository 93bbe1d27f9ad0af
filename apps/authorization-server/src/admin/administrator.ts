import type { Principal } from '@portcullis/guard';
import type { GrantStore, UserStore } from '@portcullis/persistence';
import { adminResourceUrl } from '@portcullis/platform';
import type { ClientPermissions } from '../provider/client-permissions.ts';
import { permittedScopes, type RolePermissions } from '../roles.ts';
import type { Site } from '../site.ts';

/** Who administers: a person with the role, or a machine. */
export type Administrator = {
  kind: 'user' | 'client';
  subject: string;
  email?: string;
  clientId: string;
  roles: readonly string[];
  /** What the token allows and is still permitted now. */
  scopes: readonly string[];
  expiresAt: Date;
};

/** What finding the administrator behind a token needs. */
export type AdministratorDeps = {
  site: Site;
  users: UserStore;
  grants: GrantStore;
  roles: RolePermissions;
  permissionsOf(clientId: string): Promise<ClientPermissions | undefined>;
};

/**
 * Looks up what a verified token is worth at this moment: a token lives for minutes after a grant was revoked, a role
 * was taken or a user disabled, and administration does not wait for it to expire. Undefined when it is worth nothing.
 */
export async function currentAdministrator(
  principal: Principal,
  { deps, now }: { deps: AdministratorDeps; now: Date },
): Promise<Administrator | undefined> {
  return principal.subject === principal.clientId ? machineOf(principal, deps) : personOf(principal, { deps, now });
}

async function personOf(
  { subject, clientId, grantId, scopes, expiresAt }: Principal,
  { deps, now }: { deps: AdministratorDeps; now: Date },
): Promise<Administrator | undefined> {
  const user = await deps.users.findById(subject);
  const grant = grantId === undefined ? undefined : await deps.grants.find({ id: grantId, now });
  if (!user || user.disabledAt || !grant) return undefined;
  const { roles, email } = user;
  const permitted = permittedScopes(scopes, { roles, permissions: deps.roles });
  return { kind: 'user', subject, email, clientId, roles, scopes: permitted, expiresAt };
}

async function machineOf(
  { subject, clientId, scopes, expiresAt }: Principal,
  { site, permissionsOf }: AdministratorDeps,
): Promise<Administrator | undefined> {
  const permissions = await permissionsOf(clientId);
  if (!permissions?.resources?.includes(adminResourceUrl(site.issuer))) return undefined;
  const permitted = scopes.filter((scope) => permissions.scopes?.includes(scope) ?? true);
  return { kind: 'client', subject, clientId, roles: [], scopes: permitted, expiresAt };
}
