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
import type { TokenMetrics } from '../metrics.ts';
import { raiseAnomaly } from '../redemption/anomaly.ts';
import { leavesNoAdministrator } from './last-administrator.ts';
import { newUser } from './new-user.ts';
import { rolesAfterSignIn, rolesOfGroups, type SignedInThere, type SignInPolicy } from './sign-in-policy.ts';
import { type UnknownIdentity, userOfIdentity } from './user-of-identity.ts';

/** Who signed in, or why nobody did. */
export type IdentitySignIn =
  | {
      ok: true;
      user: User;
      /** The groups do not make the user an administrator any more, and nobody else is one. */
      isLastAdministrator: boolean;
    }
  | { ok: false; reason: UnknownIdentity | 'user_disabled'; userId?: string };

/** What a sign-in by an identity needs. */
export type IdentitySignInContext = {
  database: Database;
  person: SignedInThere;
  policy: SignInPolicy;
  now: Date;
  origin: Pick<AuditEvent, 'address' | 'correlationId'>;
  metrics: TokenMetrics;
};

/**
 * Signs the user in that an identity is, or makes one where the policy says so. The roles that the policy gives to
 * groups are judged anew each time: what it does not give any more is taken before anything else happens. Only the last
 * administrator stays one, since a service that leaves a claim out could otherwise lock everybody out; it is an anomaly.
 */
export async function signInByIdentity(identity: Identity, context: IdentitySignInContext): Promise<IdentitySignIn> {
  const { database, person, policy, now, origin, metrics } = context;
  const found = await userOfIdentity(identity, {
    database,
    whenUnknown: newUser(person, policy.newUsers),
    label: person.label,
    now,
    origin,
  });
  if (!found.ok) return found;
  const { userId } = found;
  const signIn = await inTransaction(database, async (within): Promise<IdentitySignIn> => {
    const [users, identities] = [createUserStore(within), createLinkedIdentityStore(within)];
    const [user, linked] = [await users.findById(userId), await identities.find(identity)];
    if (!user || linked?.userId !== userId) return { ok: false, reason: 'unknown_user' };
    if (user.disabledAt) return { ok: false, reason: 'user_disabled', userId };
    const mapped = rolesOfGroups(person.groups, policy);
    const judged = { held: user.roles, given: linked.givenRoles };
    const byGroups = rolesAfterSignIn({ ...judged, mapped });
    const isLastAdministrator = await leavesNoAdministrator(users, user, byGroups.roles);
    // Still as what the groups gave: the next sign-in takes it, once there is another administrator.
    const { roles, given } = isLastAdministrator
      ? rolesAfterSignIn({ ...judged, mapped: [...mapped, 'admin'] })
      : byGroups;
    await identities.noteSignIn({ ...identity, label: person.label, givenRoles: given, now });
    if (isSame(roles, user.roles)) return { ok: true, user, isLastAdministrator };
    await users.update({ userId, roles, now });
    await createAuditLog(within).record({
      time: now,
      type: 'user.updated',
      outcome: 'success',
      subject: userId,
      ...origin,
      detail: { user: userId, roles, by: 'identity provider', identityProvider: identity.issuer },
    });
    return { ok: true, user: { ...user, roles }, isLastAdministrator };
  });
  if (signIn.ok && signIn.isLastAdministrator) {
    const detail = { by: 'identity provider', identityProvider: identity.issuer, kept: ['admin'] };
    const event = { time: now, subject: userId, ...origin, detail };
    await raiseAnomaly({ audit: createAuditLog(database), metrics }, { ...event, kind: 'last_administrator' });
  }
  return signIn;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((role) => b.includes(role));
}
