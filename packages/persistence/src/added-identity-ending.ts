import type { Database } from './database.ts';
import { createLinkedIdentityStore, type LinkedIdentity } from './linked-identity-store.ts';
import { createUserStore } from './user-store.ts';

/** Identities that were taken away, and the roles that went with them. */
export type EndedIdentities = { identities: LinkedIdentity[]; rolesTaken: string[] };

/**
 * Takes away what was added at the account page, with the roles that its groups gave: whoever knew the password may have
 * added it (SP-12). What came otherwise stays: with the first sign-in or assertion, or by an administrator. Whoever would
 * leave nobody who can administer keeps the role.
 *
 * @param within of a transaction that also changes the password
 */
export async function endAddedIdentities(
  within: Database,
  { userId, now }: { userId: string; now: Date },
): Promise<EndedIdentities> {
  const [users, store] = [createUserStore(within), createLinkedIdentityStore(within)];
  const added = (await store.list(userId)).filter(({ addedByUser }) => addedByUser);
  const user = await users.findById(userId);
  if (!user || added.length === 0) return { identities: [], rolesTaken: [] };
  for (const { id } of added) await store.unlink({ id, userId });
  const given = new Set(added.flatMap(({ givenRoles }) => givenRoles));
  const isLastAdministrator = user.disabledAt === null && (await users.countActive('admin')) <= 1;
  if (isLastAdministrator) given.delete('admin');
  const rolesTaken = user.roles.filter((role) => given.has(role));
  if (rolesTaken.length > 0) await users.update({ userId, roles: user.roles.filter((role) => !given.has(role)), now });
  return { identities: added, rolesTaken };
}
