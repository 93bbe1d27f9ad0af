import { endAccess } from './access.ts';
import { createAuditLog } from './audit-log.ts';
import type { Database } from './database.ts';
import { inTransaction } from './transaction.ts';

/** How much was ended. */
export type EndedAfterRestore = {
  users: number;
  signIns: number;
  grants: number;
  personalAccessTokens: number;
  links: number;
  consents: number;
  registrationTokens: number;
};

/**
 * Ends all that the users of a restored database had open. What was revoked after the backup was made is good again in
 * it, and nothing tells which that was. Also forgets what users agreed to, since what they took back would come by
 * itself again, and ends registration tokens. May be run again at any time; each run is recorded.
 *
 * Does not undo what administrators did after the backup: a user or client who was disabled is enabled again, a role
 * that was taken is back, a password or secret that was replaced is good, a signing key that was retired signs.
 */
export async function endRestoredAccess(database: Database, now: Date): Promise<EndedAfterRestore> {
  const ended = { users: 0, signIns: 0, grants: 0, personalAccessTokens: 0, links: 0 };
  for (const { id: userId } of await database.prisma.user.findMany({ select: { id: true } })) {
    const { signIns, grants, personalAccessTokens, links } = await inTransaction(database, (within) =>
      endAccess(within, { userId, now }),
    );
    ended.users += 1;
    ended.signIns += signIns;
    ended.grants += grants;
    ended.personalAccessTokens += personalAccessTokens;
    ended.links += links;
  }
  return inTransaction(database, async (within) => {
    const { count: consents } = await within.prisma.consent.deleteMany();
    const { count: registrationTokens } = await within.prisma.registrationToken.updateMany({
      where: { revokedAt: null },
      data: { revokedAt: now },
    });
    const all = { ...ended, consents, registrationTokens };
    await createAuditLog(within).record({ time: now, type: 'database.restored', outcome: 'success', detail: all });
    return all;
  });
}
