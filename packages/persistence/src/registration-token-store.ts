import { randomBytes, randomUUID } from 'node:crypto';
import type { Database } from './database.ts';
import type { RegistrationToken as TokenRow } from './generated/postgresql/client.ts';
import { hashToken } from './token-hash.ts';

/** A registration token as administrators see it; its value is not known. */
export type RegistrationToken = {
  id: string;
  name: string;
  /** Undefined for any number. */
  maxUses: number | undefined;
  uses: number;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | undefined;
  revokedAt: Date | undefined;
};

/** The place of a token in the list: the newest come first. */
export type RegistrationTokenPosition = { createdAt: Date; id: string };

export type RegistrationTokenStore = {
  /** Makes a token: `pcr_` and 256 random bits in base64url. Its value is not stored and cannot be had again. */
  issue(o: {
    name: string;
    /** At least 1; null for any number. */
    maxUses: number | null;
    now: Date;
    ttlSeconds: number;
  }): Promise<{ id: string; token: string }>;
  /** All tokens that have not expired, the newest first, of those that come after `after`. */
  list(o: { after?: RegistrationTokenPosition | undefined; limit: number; now: Date }): Promise<RegistrationToken[]>;
  /** Ends a token. False when there is none, or it was ended before. */
  revoke(o: { id: string; now: Date }): Promise<boolean>;
  /** Whether a token could be redeemed; takes no use of it. */
  check(o: { token: string; now: Date }): Promise<boolean>;
  /** Takes one use of a token and says whose it was. Of several at once no more get one than it has uses left. */
  redeem(o: { token: string; now: Date }): Promise<{ id: string; name: string } | undefined>;
};

/** What every registration token begins with. */
export const REGISTRATION_TOKEN_PREFIX = 'pcr_';

/** Tokens that let their holder register clients (RFC 7591, section 3), stored hashed. */
export function createRegistrationTokenStore({ prisma }: Database): RegistrationTokenStore {
  const findRedeemable = async ({ token, now }: { token: string; now: Date }): Promise<TokenRow | undefined> => {
    const row = await prisma.registrationToken.findUnique({ where: { tokenHash: hashToken(token) } });
    return row && isRedeemable(row, now) ? row : undefined;
  };

  const redeem: RegistrationTokenStore['redeem'] = async (o) => {
    const row = await findRedeemable(o);
    if (!row) return undefined;
    const { count } = await prisma.registrationToken.updateMany({
      where: { id: row.id, uses: row.uses, revokedAt: null, expiresAt: { gt: o.now } },
      data: { uses: row.uses + 1, lastUsedAt: o.now },
    });
    // Somebody else took a use in between: there may be more of them.
    return count === 1 ? { id: row.id, name: row.name } : redeem(o);
  };

  return {
    issue: async ({ name, maxUses, now, ttlSeconds }) => {
      const token = `${REGISTRATION_TOKEN_PREFIX}${randomBytes(32).toString('base64url')}`;
      const id = randomUUID();
      const expiresAt = new Date(now.getTime() + ttlSeconds * 1000);
      await prisma.registrationToken.create({
        data: { id, tokenHash: hashToken(token), name, maxUses, createdAt: now, expiresAt },
      });
      return { id, token };
    },
    list: async ({ after, limit, now }) => {
      const rows = await prisma.registrationToken.findMany({
        where: {
          expiresAt: { gt: now },
          ...(after && {
            OR: [{ createdAt: { lt: after.createdAt } }, { createdAt: after.createdAt, id: { gt: after.id } }],
          }),
        },
        orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
        take: limit,
      });
      return rows.map(toToken);
    },
    revoke: async ({ id, now }) => {
      const { count } = await prisma.registrationToken.updateMany({
        where: { id, revokedAt: null },
        data: { revokedAt: now },
      });
      return count > 0;
    },
    check: async (o) => (await findRedeemable(o)) !== undefined,
    redeem,
  };
}

function isRedeemable({ maxUses, uses, expiresAt, revokedAt }: TokenRow, now: Date): boolean {
  return revokedAt === null && expiresAt > now && (maxUses === null || uses < maxUses);
}

function toToken({ tokenHash, ...row }: TokenRow): RegistrationToken {
  return {
    ...row,
    maxUses: row.maxUses ?? undefined,
    lastUsedAt: row.lastUsedAt ?? undefined,
    revokedAt: row.revokedAt ?? undefined,
  };
}
