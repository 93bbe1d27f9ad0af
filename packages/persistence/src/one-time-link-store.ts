import { randomBytes } from 'node:crypto';
import type { Database } from './database.ts';
import { hashToken } from './token-hash.ts';

export type OneTimeLinkPurpose = 'setup' | 'password';

export type OneTimeLinkStore = {
  /** Makes a link's token: 256 random bits in base64url. It is not stored and cannot be had again. */
  issue(o: { purpose: OneTimeLinkPurpose; userId?: string; now: Date; ttlSeconds: number }): Promise<string>;
  /** What the link is for, while it can be redeemed. Does not redeem it. */
  find(o: { token: string; purpose: OneTimeLinkPurpose; now: Date }): Promise<{ userId?: string } | undefined>;
  /** Redeems the link. Of several at once one gets true. */
  redeem(o: { token: string; purpose: OneTimeLinkPurpose; now: Date }): Promise<boolean>;
  /** Makes all links of a user useless. Returns how many there were. */
  voidAll(o: { userId: string; now: Date }): Promise<number>;
};

/** Links that work once, stored hashed. */
export function createOneTimeLinkStore({ prisma }: Database): OneTimeLinkStore {
  const redeemable = ({ token, purpose, now }: { token: string; purpose: OneTimeLinkPurpose; now: Date }) => ({
    id: hashToken(token),
    purpose,
    redeemedAt: null,
    expiresAt: { gt: now },
  });

  return {
    issue: async ({ purpose, userId, now, ttlSeconds }) => {
      const token = randomBytes(32).toString('base64url');
      const expiresAt = new Date(now.getTime() + ttlSeconds * 1000);
      await prisma.oneTimeLink.create({
        data: { id: hashToken(token), purpose, userId: userId ?? null, createdAt: now, expiresAt },
      });
      return token;
    },
    find: async (link) => {
      const row = await prisma.oneTimeLink.findFirst({ where: redeemable(link), select: { userId: true } });
      if (!row) return undefined;
      return row.userId === null ? {} : { userId: row.userId };
    },
    redeem: async (link) => {
      const { count } = await prisma.oneTimeLink.updateMany({
        where: redeemable(link),
        data: { redeemedAt: link.now },
      });
      return count === 1;
    },
    voidAll: async ({ userId, now }) => {
      const { count } = await prisma.oneTimeLink.updateMany({
        where: { userId, redeemedAt: null },
        data: { redeemedAt: now },
      });
      return count;
    },
  };
}
