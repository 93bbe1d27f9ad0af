import type { AuditEvent } from '@portcullis/platform';
import { endAddedIdentities } from './added-identity-ending.ts';
import { createAuditLog } from './audit-log.ts';
import type { Database } from './database.ts';
import { createGrantStore } from './grant-store.ts';
import { identityUnlinked } from './identity-unlinked.ts';
import type { LinkedIdentity } from './linked-identity-store.ts';
import { createOneTimeLinkStore } from './one-time-link-store.ts';
import { endPersonalAccessTokens } from './personal-access-token-ending.ts';
import { inTransaction } from './transaction.ts';

/** How much was ended, and the epoch that begins with it. */
export type EndedAccess = {
  signIns: number;
  grants: number;
  personalAccessTokens: number;
  links: number;
  accessEpoch: number;
};

/**
 * Ends all that a user's sign-ins opened: the sessions, every app's access, personal access tokens, and one-time links
 * (SP-12). What is still on its way counts as of before: a sign-in whose password was read earlier opens nothing any more.
 *
 * @param within of a transaction that also writes why
 */
export async function endAccess(
  within: Database,
  { userId, now }: { userId: string; now: Date },
): Promise<EndedAccess> {
  const { prisma } = within;
  await prisma.user.updateMany({ where: { id: userId }, data: { accessEpoch: { increment: 1 } } });
  const { count: signIns } = await prisma.signIn.updateMany({
    where: { userId, endedAt: null },
    data: { endedAt: now },
  });
  await prisma.engineRecord.deleteMany({ where: { model: 'Session', userId } });
  const grants = await createGrantStore(within).revokeAll({ userId, now });
  const personalAccessTokens = await endPersonalAccessTokens(within, { tokens: { userId }, now });
  const links = await createOneTimeLinkStore(within).voidAll({ userId, now });
  const user = await prisma.user.findUnique({ where: { id: userId }, select: { accessEpoch: true } });
  return { signIns, grants: grants.length, personalAccessTokens, links, accessEpoch: user?.accessEpoch ?? 0 };
}

/** What ended with a password; `identities` are the accounts elsewhere with which nobody signs in here any more. */
export type EndedByPassword = EndedAccess & { identities: LinkedIdentity[] };

/** A new password, and what proves that it may be set. */
export type PasswordChange = {
  userId: string;
  passwordHash: string;
  /** The hash of the password that was given, or the one-time link that was followed. */
  proof: { presentHash: string } | { linkToken: string };
  now: Date;
  /** Where the request came from. */
  origin: Pick<AuditEvent, 'address' | 'correlationId'>;
};

/**
 * Sets a password in place of another one, and ends all that was opened with the old one, accounts elsewhere that were
 * added with it too; recorded in the same transaction. Of several at once on one proof, one succeeds.
 *
 * @returns what was ended; undefined when the proof is worth nothing any more, and nothing was changed
 */
export async function changePassword(database: Database, change: PasswordChange): Promise<EndedByPassword | undefined> {
  const { userId, passwordHash, proof, now, origin } = change;
  return inTransaction(database, async (within) => {
    if ('linkToken' in proof) {
      const link = { token: proof.linkToken, purpose: 'password', now } as const;
      if (!(await createOneTimeLinkStore(within).redeem(link))) return undefined;
    }
    const present = 'presentHash' in proof ? { passwordHash: proof.presentHash, disabledAt: null } : {};
    const before = await within.prisma.user.findUnique({ where: { id: userId }, select: { passwordHash: true } });
    const { count } = await within.prisma.user.updateMany({
      where: { id: userId, ...present },
      data: { passwordHash, updatedAt: now },
    });
    if (count === 0) return undefined;
    const ended = await endAccess(within, { userId, now });
    const { accessEpoch, ...counts } = ended;
    // Nobody added anything with a password that was not there.
    const identities = before?.passwordHash == null ? [] : await removeAdded(within, change);
    await createAuditLog(within).record({
      time: now,
      type: 'user.password_set',
      outcome: 'success',
      subject: userId,
      ...origin,
      detail: { by: 'linkToken' in proof ? 'one-time link' : 'account page', ...counts, identities: identities.length },
    });
    return { ...ended, identities };
  });
}

async function removeAdded(within: Database, { userId, now, origin }: PasswordChange): Promise<LinkedIdentity[]> {
  const { identities, rolesTaken } = await endAddedIdentities(within, { userId, now });
  for (const identity of identities) {
    await createAuditLog(within).record({
      time: now,
      outcome: 'success',
      subject: userId,
      ...origin,
      ...identityUnlinked({ by: 'new password' }, { identity, rolesTaken }),
    });
  }
  return identities;
}
