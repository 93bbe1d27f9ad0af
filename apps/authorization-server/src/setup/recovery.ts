import {
  createAuditLog,
  createOneTimeLinkStore,
  createUserStore,
  type Database,
  inTransaction,
} from '@portcullis/persistence';
import { StartupError } from '@portcullis/platform';
import type { Site } from '../site.ts';
import { emailProblem } from './email.ts';
import { issueLink } from './one-time-link.ts';

/** What recovery works on. */
export type RecoveryDeps = { database: Database; site: Site; now: Date };

/** A way back in: the link goes to the person and nowhere else. */
export type Recovery = { link: string; created: boolean };

/**
 * Creates an administrator, or makes a user one again: enables the user, gives the role `admin`, and makes a one-time
 * link that sets a password. Recorded in the same transaction.
 * @throws {StartupError} when `address` is no e-mail address.
 */
export async function recoverAdministrator(address: string, { database, site, now }: RecoveryDeps): Promise<Recovery> {
  const email = address.trim().toLowerCase();
  if (emailProblem(email)) throw new StartupError('Name the administrator: npm run recover -- ada@example.com');
  return inTransaction(database, async (within) => {
    const { userId, created } = await administratorOf(within, { email, now });
    const links = createOneTimeLinkStore(within);
    const link = await issueLink('password', { site, links, clock: () => now, userId });
    await createAuditLog(within).record({
      time: now,
      type: 'user.recovered',
      outcome: 'success',
      subject: userId,
      detail: { by: 'host', created },
    });
    return { link, created };
  });
}

async function administratorOf(
  within: Database,
  { email, now }: { email: string; now: Date },
): Promise<{ userId: string; created: boolean }> {
  const users = createUserStore(within);
  const user = await users.findByEmail(email);
  if (!user) {
    const result = await users.create({ email, roles: ['admin', 'lead'], now });
    if (!result.ok) throw new Error(result.refusal.reason);
    return { userId: result.user.id, created: true };
  }
  await users.update({ userId: user.id, roles: [...new Set([...user.roles, 'admin'])], now });
  await users.setDisabled({ userId: user.id, disabled: false, now });
  return { userId: user.id, created: false };
}
