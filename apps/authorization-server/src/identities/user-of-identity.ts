import {
  createAuditLog,
  createLinkedIdentityStore,
  createUserStore,
  type Database,
  type Identity,
  inTransaction,
} from '@portcullis/persistence';
import type { AuditEvent } from '@portcullis/platform';
import type { NewUserResult } from './new-user.ts';

/** Why an identity is nobody here. */
export type UnknownIdentity = Extract<NewUserResult, { ok: false }>['reason'] | 'email_taken';

/** The user that an identity is. */
export type UserOfIdentity = { ok: true; userId: string } | { ok: false; reason: UnknownIdentity };

/** What finding or making the user of an identity needs. */
export type IdentityResolution = {
  database: Database;
  /** What becomes of somebody who is not known yet. */
  whenUnknown: NewUserResult;
  /** What the provider calls the person; shown, never compared. */
  label?: string | undefined;
  now: Date;
  origin: Pick<AuditEvent, 'address' | 'correlationId'>;
};

/**
 * The user that an identity is: the one that it was linked to, or a new one where that is allowed. An e-mail address
 * never leads to a user who is there already, whoever vouches for it: such a user adds the identity by hand.
 */
export async function userOfIdentity(identity: Identity, resolution: IdentityResolution): Promise<UserOfIdentity> {
  const { database, whenUnknown } = resolution;
  const linked = await createLinkedIdentityStore(database).find(identity);
  if (linked) return { ok: true, userId: linked.userId };
  if (!whenUnknown.ok) return whenUnknown;
  const created = await createUser(identity, { ...resolution, whenUnknown });
  if (created) return { ok: true, userId: created };
  // Two may have come at once, and the other one has made the user.
  const meanwhile = await createLinkedIdentityStore(database).find(identity);
  return meanwhile ? { ok: true, userId: meanwhile.userId } : { ok: false, reason: 'email_taken' };
}

/** Takes a transaction back because its user cannot be made. */
class NotCreated extends Error {}

async function createUser(
  identity: Identity,
  {
    database,
    whenUnknown: { email, roles },
    label,
    now,
    origin,
  }: IdentityResolution & { whenUnknown: Extract<NewUserResult, { ok: true }> },
): Promise<string | undefined> {
  try {
    return await inTransaction(database, async (within) => {
      const result = await createUserStore(within).create({ email, roles, now });
      if (!result.ok) throw new NotCreated();
      const { id: userId } = result.user;
      if (!(await createLinkedIdentityStore(within).link({ ...identity, userId, label, now }))) throw new NotCreated();
      await createAuditLog(within).record({
        time: now,
        type: 'user.created',
        outcome: 'success',
        subject: userId,
        ...origin,
        detail: { user: userId, roles, by: 'identity provider', identityProvider: identity.issuer },
      });
      return userId;
    });
  } catch (cause) {
    if (cause instanceof NotCreated) return undefined;
    throw cause;
  }
}
