import { randomUUID } from 'node:crypto';
import { secondsAfter } from './client-lifetimes.ts';
import type { Database } from './database.ts';
import type { PersonalAccessToken as TokenRow } from './generated/postgresql/client.ts';
import { endPersonalAccessTokens } from './personal-access-token-ending.ts';
import { hashToken } from './token-hash.ts';
import { inTransaction } from './transaction.ts';
import type { User } from './user-store.ts';

/** A personal access token as its user and administrators see it; its value is not known. */
export type PersonalAccessToken = {
  id: string;
  userId: string;
  name: string;
  /** The canonical URL of the one resource that it is for. */
  resource: string;
  scopes: string[];
  /** The administrator or machine that made it; undefined when its user did. */
  issuedBy: string | undefined;
  createdAt: Date;
  expiresAt: Date;
  /** When it was last asked about, give or take a minute. */
  lastUsedAt: Date | undefined;
};

/** The place of a token in the list: the newest come first. */
export type PersonalAccessTokenPosition = { createdAt: Date; id: string };

/** What a token is to be. */
export type NewPersonalAccessToken = Pick<PersonalAccessToken, 'name' | 'resource' | 'scopes' | 'issuedBy'> & {
  /** Its value, of which the hash is stored. */
  token: string;
  /** Whose it is; when what the user's password opened has been ended since this was read, it is worth nothing. */
  user: Pick<User, 'id' | 'accessEpoch'>;
  now: Date;
  ttlSeconds: number;
};

export type PersonalAccessTokenStore = {
  /** Stores a token. Undefined when its user has as many as anybody can have. */
  issue(o: NewPersonalAccessToken): Promise<PersonalAccessToken | undefined>;
  /** Living tokens, the newest first, of those that come after `after`. */
  list(o: {
    userId?: string | undefined;
    after?: PersonalAccessTokenPosition | undefined;
    limit: number;
    now: Date;
  }): Promise<PersonalAccessToken[]>;
  /** The living token with a value, unless all that its user's password opened was ended since it was made. */
  findByValue(o: { token: string; now: Date }): Promise<PersonalAccessToken | undefined>;
  /**
   * Ends a token, of this user where one is named; its resource server is told. Undefined when there is no such.
   */
  revoke(o: { id: string; userId?: string; now: Date }): Promise<PersonalAccessToken | undefined>;
  /** Notes that a token was used, at most once a minute. Whether it was noted. */
  noteUse(o: { id: string; now: Date }): Promise<boolean>;
};

/** How many living tokens a user can have. */
export const PERSONAL_ACCESS_TOKENS_PER_USER = 100;

const MINUTE_MS = 60_000;

/** Tokens for clients that can only send a fixed header, stored hashed (SP-14). */
export function createPersonalAccessTokenStore(database: Database): PersonalAccessTokenStore {
  const { prisma } = database;
  return {
    issue: async ({ token, user, scopes, issuedBy, now, ttlSeconds, ...columns }) => {
      const living = await prisma.personalAccessToken.count({ where: { userId: user.id, expiresAt: { gt: now } } });
      if (living >= PERSONAL_ACCESS_TOKENS_PER_USER) return undefined;
      const row = await prisma.personalAccessToken.create({
        data: {
          ...columns,
          id: randomUUID(),
          tokenHash: hashToken(token),
          userId: user.id,
          accessEpoch: user.accessEpoch,
          scopes: scopes.join(' '),
          issuedBy: issuedBy ?? null,
          createdAt: now,
          expiresAt: secondsAfter(now, ttlSeconds),
        },
      });
      return toToken(row);
    },
    list: async ({ userId, after, limit, now }) => {
      const rows = await prisma.personalAccessToken.findMany({
        where: {
          ...(userId !== undefined && { userId }),
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
    findByValue: async ({ token, now }) => {
      const row = await prisma.personalAccessToken.findUnique({ where: { tokenHash: hashToken(token) } });
      if (!row || row.expiresAt <= now) return undefined;
      const user = await prisma.user.findUnique({ where: { id: row.userId }, select: { accessEpoch: true } });
      return user?.accessEpoch === row.accessEpoch ? toToken(row) : undefined;
    },
    revoke: ({ id, userId, now }) =>
      inTransaction(database, async (within) => {
        const row = await within.prisma.personalAccessToken.findUnique({ where: { id } });
        if (!row || (userId !== undefined && row.userId !== userId)) return undefined;
        return (await endPersonalAccessTokens(within, { tokens: { id }, now })) > 0 ? toToken(row) : undefined;
      }),
    noteUse: async ({ id, now }) => {
      const due = new Date(now.getTime() - MINUTE_MS);
      const { count } = await prisma.personalAccessToken.updateMany({
        where: { id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lte: due } }] },
        data: { lastUsedAt: now },
      });
      return count > 0;
    },
  };
}

function toToken({ tokenHash, accessEpoch, ...row }: TokenRow): PersonalAccessToken {
  return {
    ...row,
    scopes: row.scopes.split(' '),
    issuedBy: row.issuedBy ?? undefined,
    lastUsedAt: row.lastUsedAt ?? undefined,
  };
}
