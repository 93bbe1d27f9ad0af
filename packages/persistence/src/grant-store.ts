import type { Database } from './database.ts';
import type { Grant as GrantRow } from './generated/postgresql/client.ts';
import { endGrants } from './grant-ending.ts';
import { inTransaction } from './transaction.ts';

/** What one user lets one client do, since one authorization. */
export type RecordedGrant = {
  id: string;
  userId: string;
  /** Undefined when the user is gone. */
  userEmail: string | undefined;
  clientId: string;
  /** Undefined for a client that has no name, or no row here. */
  clientName: string | undefined;
  /** Scopes by resource; empty until the user has decided. */
  resources: Record<string, string[]>;
  issuedAt: Date;
  expiresAt: Date;
  /** When its newest refresh token was issued, if there is one. */
  lastUsedAt: Date | undefined;
};

/** The place of a grant in the list: the newest come first. */
export type GrantPosition = { issuedAt: Date; id: string };

export type GrantStore = {
  /** Live grants, the newest first, of those that come after `after`. */
  list(o: {
    userId?: string | undefined;
    clientId?: string | undefined;
    after?: GrantPosition | undefined;
    limit: number;
    now: Date;
  }): Promise<RecordedGrant[]>;
  /** A live grant. */
  find(o: { id: string; now: Date }): Promise<RecordedGrant | undefined>;
  /**
   * Ends a grant, its codes and its refresh tokens, and forgets what the user had agreed to for that client, so that
   * the client has to ask again. Resource servers refuse its access tokens. False when there is no such grant.
   */
  revoke(o: { id: string; now: Date }): Promise<boolean>;
};

/** Grants as administrators see them. */
export function createGrantStore(database: Database): GrantStore {
  const { prisma } = database;
  const described = async (rows: GrantRow[]): Promise<RecordedGrant[]> => {
    const [uses, users, clients] = await Promise.all([
      prisma.refreshToken.groupBy({
        by: ['grantId'],
        where: { grantId: { in: rows.map(({ id }) => id) } },
        _max: { issuedAt: true },
      }),
      prisma.user.findMany({
        where: { id: { in: rows.map(({ userId }) => userId) } },
        select: { id: true, email: true },
      }),
      prisma.client.findMany({
        where: { id: { in: rows.map(({ clientId }) => clientId) } },
        select: { id: true, name: true },
      }),
    ]);
    return rows.map((row) => ({
      id: row.id,
      userId: row.userId,
      userEmail: users.find(({ id }) => id === row.userId)?.email,
      clientId: row.clientId,
      clientName: clients.find(({ id }) => id === row.clientId)?.name ?? undefined,
      resources: scopesByResource(row),
      issuedAt: row.issuedAt,
      expiresAt: row.expiresAt,
      lastUsedAt: uses.find(({ grantId }) => grantId === row.id)?._max.issuedAt ?? undefined,
    }));
  };
  return {
    list: async ({ userId, clientId, after, limit, now }) => {
      const rows = await prisma.grant.findMany({
        where: {
          ...(userId !== undefined && { userId }),
          ...(clientId !== undefined && { clientId }),
          expiresAt: { gt: now },
          ...(after && {
            OR: [{ issuedAt: { lt: after.issuedAt } }, { issuedAt: after.issuedAt, id: { gt: after.id } }],
          }),
        },
        orderBy: [{ issuedAt: 'desc' }, { id: 'asc' }],
        take: limit,
      });
      return described(rows);
    },
    find: async ({ id, now }) => {
      const row = await prisma.grant.findUnique({ where: { id } });
      if (!row || row.expiresAt <= now) return undefined;
      return (await described([row]))[0];
    },
    revoke: ({ id, now }) =>
      inTransaction(database, async (within) => (await endGrants(within, { grants: { id }, now })) > 0),
  };
}

function scopesByResource({ resources }: GrantRow): Record<string, string[]> {
  const granted: Record<string, string> = resources === null ? {} : JSON.parse(resources);
  return Object.fromEntries(
    Object.entries(granted).map(([resource, scope]) => [resource, scope.split(' ').filter(Boolean)]),
  );
}
