import {
  createLinkedIdentityStore,
  createUserStore,
  type Database,
  type LinkedIdentity,
  type User,
} from '@portcullis/persistence';
import { issuersOf, type SignInProviders } from '../upstream/sign-in-flow.ts';
import { leavesNoAdministrator } from './last-administrator.ts';

/** What came of it: whose it was, and the roles that went with it; or why it stays. */
export type UnlinkResult =
  | { ok: true; user: User; identity: LinkedIdentity }
  | { ok: false; reason: 'absent' | 'only_way_in' | 'last_administrator' };

/** Which identity of which user is taken away. */
export type Unlinking = {
  id: string;
  userId: string;
  signInProviders: SignInProviders;
  /** Whether the user may be left with nothing to sign in with. The last administrator never is. */
  mayShutOut: boolean;
  now: Date;
};

/**
 * Takes an identity away from a user, with the roles that its groups gave. To be called within a transaction.
 */
export async function unlinkIdentity(
  within: Database,
  { id, userId, signInProviders, mayShutOut, now }: Unlinking,
): Promise<UnlinkResult> {
  const [users, identities] = [createUserStore(within), createLinkedIdentityStore(within)];
  const [user, linked] = [await users.findById(userId), await identities.list(userId)];
  const identity = linked.find((one) => one.id === id);
  if (!user || !identity) return { ok: false, reason: 'absent' };
  const others = linked.filter((one) => one.id !== id);
  // One of a provider that only asserts, or that the configuration has no longer, lets nobody sign in.
  const issuers = issuersOf(signInProviders);
  const isShutOut = user.passwordHash === null && !others.some(({ issuer }) => issuers.has(issuer));
  if (isShutOut && !mayShutOut) return { ok: false, reason: 'only_way_in' };
  const roles = user.roles.filter((role) => !identity.givenRoles.includes(role));
  if (await leavesNoAdministrator(users, user, isShutOut ? [] : roles))
    return { ok: false, reason: 'last_administrator' };
  await identities.unlink({ id, userId });
  if (roles.length < user.roles.length) await users.update({ userId, roles, now });
  return { ok: true, user: { ...user, roles }, identity };
}
