import {
  createAuditLog,
  createLinkedIdentityStore,
  createUserStore,
  type Database,
  type Identity,
  inTransaction,
  type User,
} from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import { newUser } from './new-user.ts';
import { rolesAfterSignIn, rolesOfGroups, type SignedInThere, type SignInPolicy } from './sign-in-policy.ts';
import { type UnknownIdentity, userOfIdentity } from './user-of-identity.ts';

/** Who signed in, or why nobody did. */
export type IdentitySignIn =
  | { ok: true; user: User }
  | { ok: false; reason: UnknownIdentity | 'user_disabled'; userId?: string };

/** What a sign-in by an identity needs. */
export type IdentitySignInContext = {
  database: Database;
  person: SignedInThere;
  policy: SignInPolicy;
  now: Date;
  origin: Pick<AuditEvent, 'address' | 'correlationId'>;
};

/**
 * Signs the user in that an identity is, or makes one where the policy says so. The roles that the policy gives to
 * groups are judged anew each time: what it does not give any more is taken before anything else happens.
 */
export async function signInByIdentity(identity: Identity, context: IdentitySignInContext): Promise<IdentitySignIn> {
  const { database, person, policy, now, origin } = context;
  const found = await userOfIdentity(identity, {
    database,
    whenUnknown: newUser(person, policy.newUsers),
    label: person.label,
    now,
    origin,
  });
  if (!found.ok) return found;
  const { userId } = found;
  return inTransaction(database, async (within): Promise<IdentitySignIn> => {
    const [users, identities] = [createUserStore(within), createLinkedIdentityStore(within)];
    const [user, linked] = [await users.findById(userId), await identities.find(identity)];
    if (!user || linked?.userId !== userId) return { ok: false, reason: 'unknown_user' };
    if (user.disabledAt) return { ok: false, reason: 'user_disabled', userId };
    const { roles, given } = rolesAfterSignIn({
      held: user.roles,
      given: linked.givenRoles,
      mapped: rolesOfGroups(person.groups, policy),
    });
    await identities.noteSignIn({ ...identity, label: person.label, givenRoles: given, now });
    if (isSame(roles, user.roles)) return { ok: true, user };
    await users.update({ userId, roles, now });
    await createAuditLog(within).record({
      time: now,
      type: 'user.updated',
      outcome: 'success',
      subject: userId,
      ...origin,
      detail: { user: userId, roles, by: 'identity provider', identityProvider: identity.issuer },
    });
    return { ok: true, user: { ...user, roles } };
  });
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((role) => b.includes(role));
}
