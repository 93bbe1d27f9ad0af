import type { Database } from '@portcullis/persistence';
import { createOneTimeLinkStore, createUserStore, openDatabase } from '@portcullis/persistence';
import type { Stack } from '../../../src/stack.ts';

/** The users of a running stack, changed beside it in its database. */
export type DeskUsers = {
  database: Database;
  /** Creates a user without a password and makes the one-time link with which the person sets one. */
  invite(email: string, roles: readonly string[]): Promise<{ userId: string; link: string }>;
  /** Makes another link for a user. */
  passwordLink(userId: string): Promise<string>;
  disable(userId: string): Promise<void>;
  takeRole(userId: string, role: string): Promise<void>;
  close(): Promise<void>;
};

/** Opens the authorization server's database a second time. */
export async function openDeskUsers(stack: Stack): Promise<DeskUsers> {
  const database = await openDatabase({ url: stack.databases.authorizationServer });
  const users = createUserStore(database);
  const links = createOneTimeLinkStore(database);
  const passwordLink = async (userId: string) => {
    const token = await links.issue({ purpose: 'password', userId, now: new Date(), ttlSeconds: 600 });
    return `${stack.issuer}/password?token=${token}`;
  };

  return {
    database,
    async invite(email, roles) {
      const result = await users.create({ email, roles, now: new Date() });
      if (!result.ok) throw new Error(result.refusal.reason);
      return { userId: result.user.id, link: await passwordLink(result.user.id) };
    },
    passwordLink,
    async disable(userId) {
      await users.setDisabled({ userId, disabled: true, now: new Date() });
    },
    async takeRole(userId, role) {
      await database.prisma.userRole.deleteMany({ where: { userId, role } });
    },
    close: () => database.close(),
  };
}
