import {
  createAuditLog,
  createLinkedIdentityStore,
  createUserStore,
  type Database,
  inTransaction,
  type LinkedIdentityStore,
  type User,
} from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { SignInMethodsInput } from '../pages/account-sign-in-methods.ts';
import type { BoundForm } from '../pages/form-parts.ts';
import { type Identified, namedProviders, type SignInProviders } from '../upstream/sign-in-flow.ts';

/** What showing how somebody signs in needs. */
export type SignInMethodsDeps = { identities: LinkedIdentityStore; signInProviders: SignInProviders };

/** How a user signs in, for the account page. */
export async function signInMethods(
  { user, form }: { user: User; form(path: string): BoundForm },
  { identities, signInProviders }: SignInMethodsDeps,
): Promise<SignInMethodsInput> {
  const named = namedProviders(signInProviders);
  const issuers = new Map(
    [...signInProviders.values()].map(({ connector: { upstream } }) => [upstream.issuer, upstream]),
  );
  const linked = await identities.list(user.id);
  return {
    hasPassword: user.passwordHash !== null,
    methods: linked.map(({ id, issuer, subject, label, createdAt, lastUsedAt }) => ({
      providerName: issuers.get(issuer)?.name ?? issuer,
      account: label ?? subject,
      addedAt: createdAt,
      lastUsedAt,
      remove: form(`/sign-in-methods/${id}/remove`),
    })),
    add: { ...form('/sign-in-methods'), providers: named },
  };
}

/** What changing it needs. */
export type SignInMethodChange = {
  database: Database;
  userId: string;
  now: Date;
  origin: Pick<AuditEvent, 'address' | 'correlationId'>;
};

/** What came of adding an account elsewhere: done, there already, or somebody else's here. */
export type AddedMethod = 'added' | 'own' | 'foreign';

/** Links an account elsewhere to a user. One that is somebody else's here stays theirs. */
export function addSignInMethod(
  { issuer, subject, person, provider }: Identified,
  { database, userId, now, origin }: SignInMethodChange,
): Promise<AddedMethod> {
  return inTransaction(database, async (within) => {
    const identities = createLinkedIdentityStore(within);
    const present = await identities.find({ issuer, subject });
    if (present) return present.userId === userId ? 'own' : 'foreign';
    await identities.link({ issuer, subject, userId, label: person.label, now });
    await createAuditLog(within).record({
      time: now,
      type: 'user.identity_linked',
      outcome: 'success',
      subject: userId,
      ...origin,
      detail: { by: 'account page', upstream: provider, identityProvider: issuer, upstreamSubject: subject },
    });
    return 'added';
  });
}

/** What came of taking one away: done, not there, or the only one that there is. */
export type RemovedMethod = 'removed' | 'absent' | 'last';

/** Takes an account elsewhere away from a user, with the roles that its groups gave; never the only way in. */
export function removeSignInMethod(
  id: string,
  { database, userId, now, origin }: SignInMethodChange,
): Promise<RemovedMethod> {
  return inTransaction(database, async (within) => {
    const identities = createLinkedIdentityStore(within);
    const users = createUserStore(within);
    const [user, linked] = [await users.findById(userId), await identities.list(userId)];
    if (!user || !linked.some((one) => one.id === id)) return 'absent';
    if (user.passwordHash === null && linked.length === 1) return 'last';
    const removed = await identities.unlink({ id, userId });
    if (!removed) return 'absent';
    const roles = user.roles.filter((role) => !removed.givenRoles.includes(role));
    if (roles.length < user.roles.length) await users.update({ userId, roles, now });
    await createAuditLog(within).record({
      time: now,
      type: 'user.identity_unlinked',
      outcome: 'success',
      subject: userId,
      ...origin,
      detail: {
        by: 'account page',
        identityProvider: removed.issuer,
        upstreamSubject: removed.subject,
        ...(removed.givenRoles.length > 0 && { rolesTaken: removed.givenRoles }),
      },
    });
    return 'removed';
  });
}
