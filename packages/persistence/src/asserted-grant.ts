import { randomUUID } from 'node:crypto';
import type { Database } from './database.ts';
import { hashToken } from './token-hash.ts';
import { inTransaction } from './transaction.ts';
import { createUserStore, type User } from './user-store.ts';

/** What an identity provider allows a client to do for a user, in the user's place. */
export type AssertedGrant = {
  userId: string;
  /** What the user's roles were when it was judged what they may do. */
  roles: readonly string[];
  clientId: string;
  /** The provider's issuer. */
  identityProvider: string;
  /** The canonical URL. */
  resource: string;
  scopes: readonly string[];
  /** How long the grant is listed after its last use, in seconds. */
  keptSeconds: number;
  now: Date;
};

/** A grant, and whether it was given just now. */
type GrantForAssertion = { id: string; isNew: boolean };

/**
 * The grant that tokens are issued on for an assertion: one for all assertions about the same user, client, resource and
 * provider. It says what was allowed last. One that was revoked does not come back: the next assertion gets another.
 *
 * @returns undefined when the user is gone or disabled, or has other roles than those that were judged. Whoever is disabled
 *   at the same moment has the grant ended, or gets none. A grant that is there as it should be is given without looking at
 *   the user: whoever issues a token on it looks last of all.
 */
export async function grantForAssertion(
  database: Database,
  asserted: AssertedGrant,
): Promise<GrantForAssertion | undefined> {
  const { userId, now } = asserted;
  const assertedFor = keyOf(asserted);
  const resources = JSON.stringify({ [asserted.resource]: asserted.scopes.join(' ') });
  const expiresAt = new Date(now.getTime() + asserted.keptSeconds * 1000);
  // Most assertions change nothing, and a grant that is written at each of them would hold up those who revoke it.
  const currentIn = async ({ prisma }: Database) => {
    const grant = await prisma.grant.findUnique({ where: { assertedFor } });
    const isKept = grant?.resources === resources && grant.expiresAt.getTime() - now.getTime() > halfOf(asserted);
    return { isNew: grant === null, unchanged: isKept ? { id: grant.id, isNew: false } : undefined };
  };
  const { unchanged } = await currentIn(database);
  if (unchanged !== undefined) return unchanged;
  return inTransaction(database, async (within) => {
    const { prisma } = within;
    const user = await createUserStore(within).findById(userId);
    if (!user || !isAsJudged(user, asserted)) return undefined;
    // Of several at once one writes; the others are done over, and find that nothing is left to write.
    const current = await currentIn(within);
    if (current.unchanged !== undefined) return current.unchanged;
    const { id } = await prisma.grant.upsert({
      where: { assertedFor },
      create: {
        id: randomUUID(),
        userId,
        clientId: asserted.clientId,
        identityProvider: asserted.identityProvider,
        assertedFor,
        resources,
        detail: '{}',
        issuedAt: now,
        expiresAt,
      },
      update: { resources, expiresAt },
      select: { id: true },
    });
    return { id, isNew: current.isNew };
  });
}

/** Whether a user may still sign in, and has the roles by which it was judged what they may do. */
export function isAsJudged({ disabledAt, roles }: User, judged: { roles: readonly string[] }): boolean {
  return (
    disabledAt === null && roles.length === judged.roles.length && roles.every((role) => judged.roles.includes(role))
  );
}

/** Half of the time for which a grant is kept, in milliseconds. */
function halfOf({ keptSeconds }: AssertedGrant): number {
  return keptSeconds * 500;
}

function keyOf({ userId, clientId, resource, identityProvider }: AssertedGrant): string {
  return hashToken(JSON.stringify([userId, clientId, resource, identityProvider]));
}
