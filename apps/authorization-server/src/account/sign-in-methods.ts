import {
  createAuditLog,
  createLinkedIdentityStore,
  createSignInStore,
  type Database,
  identityUnlinked,
  inTransaction,
  type LinkedIdentityStore,
  type User,
} from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import { type UnlinkResult, unlinkIdentity } from '../identities/unlink-identity.ts';
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

/** What came of adding an account elsewhere: done, there already, somebody else's here, or signed out meanwhile. */
export type AddedMethod = 'added' | 'own' | 'foreign' | 'signed_out';

/**
 * Links an account elsewhere to a user whose sign-in is open to the end: a password that is changed meanwhile ends it,
 * and what was to be added with the old one. One that is somebody else's here stays theirs.
 */
export function addSignInMethod(
  { issuer, subject, person, provider }: Identified,
  { database, userId, signInId, now, origin }: SignInMethodChange & { signInId: string },
): Promise<AddedMethod> {
  return inTransaction(database, async (within) => {
    if (!(await createSignInStore(within).findOpen({ id: signInId, userId, now }))) return 'signed_out';
    const identities = createLinkedIdentityStore(within);
    const present = await identities.find({ issuer, subject });
    if (present) return present.userId === userId ? 'own' : 'foreign';
    await identities.link({ issuer, subject, userId, label: person.label, addedByUser: true, now });
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

/** What came of taking one away: done, or why it stays. */
export type RemovedMethod = 'removed' | Extract<UnlinkResult, { ok: false }>['reason'];

/** Takes an account elsewhere away from a user, with the roles that its groups gave; never the only way in. */
export function removeSignInMethod(
  id: string,
  { database, userId, now, origin, signInProviders }: SignInMethodChange & { signInProviders: SignInProviders },
): Promise<RemovedMethod> {
  return inTransaction(database, async (within) => {
    const unlinked = await unlinkIdentity(within, { id, userId, signInProviders, mayShutOut: false, now });
    if (!unlinked.ok) return unlinked.reason;
    const { identity } = unlinked;
    await createAuditLog(within).record({
      time: now,
      outcome: 'success',
      subject: userId,
      ...origin,
      ...identityUnlinked({ by: 'account page' }, { identity, rolesTaken: identity.givenRoles }),
    });
    return 'removed';
  });
}
