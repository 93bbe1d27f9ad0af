import type { Database } from './database.ts';
import type { Grant as GrantRow } from './generated/postgresql/client.ts';
import { endGrants, endTokensSoFar } from './grant-ending.ts';
import { holdsNul } from './nul.ts';
import { GRANT_BY_ID } from './statements/lookups.ts';
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
  /** When it last led to a token, give or take a minute. */
  lastUsedAt: Date | undefined;
  /** The version of the client's metadata document that the user agreed to, if it has one. */
  documentVersion: string | undefined;
  /** The issuer of the identity provider that allowed it in the user's place; undefined where the user did. */
  identityProvider: string | undefined;
};

/** What a grant allows, and whom, without the names of those concerned. */
export type GrantTerms = Pick<RecordedGrant, 'userId' | 'clientId' | 'resources'>;

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
  /** Revokes all grants of a user, or those for one client. Returns which they were. */
  revokeAll(o: {
    userId: string;
    clientId?: string | undefined;
    now: Date;
  }): Promise<{ id: string; clientId: string }[]>;
  /**
   * Leaves a grant no more than `scopes` of what it has for a resource, and its codes and refresh tokens likewise; it
   * never gets more. Resource servers refuse the access tokens that are out. What the user had agreed to is forgotten, so that the client has to ask again (SP-16).
   */
  narrow(o: {
    id: string;
    userId: string;
    resource: string;
    scopes: readonly string[];
    now: Date;
  }): Promise<NarrowResult>;
  /** Notes that a grant led to a token, at most once a minute. */
  noteUse(o: { id: string; now: Date }): Promise<void>;
};

/** The scopes that are left; a grant without any has to be revoked instead. */
export type NarrowResult =
  | { ok: true; kept: string[]; removed: string[]; clientId: string }
  | { ok: false; refusal: { reason: 'unknown_grant' | 'nothing_left' } };

const MINUTE_MS = 60_000;

/** Grants as administrators and their users see them. */
export function createGrantStore(database: Database): GrantStore {
  const { prisma, statements } = database;
  const described = async (rows: GrantRow[]): Promise<RecordedGrant[]> => {
    const [users, clients] = await Promise.all([
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
      lastUsedAt: row.lastUsedAt ?? undefined,
      documentVersion: row.documentVersion ?? undefined,
      identityProvider: row.identityProvider ?? undefined,
    }));
  };
  const findLive = async (id: string, now: Date) => {
    if (holdsNul(id)) return undefined;
    const [row] = await statements.run<GrantRow>(GRANT_BY_ID, id);
    return row && row.expiresAt > now ? row : undefined;
  };
  const revoke: GrantStore['revoke'] = ({ id, now }) =>
    inTransaction(database, async (within) => (await endGrants(within, { grants: { id }, now })) > 0);
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
      const row = await findLive(id, now);
      return row && (await described([row]))[0];
    },
    revoke,
    revokeAll: ({ userId, clientId, now }) =>
      inTransaction(database, async (within) => {
        const where = { userId, ...(clientId !== undefined && { clientId }) };
        const grants = await within.prisma.grant.findMany({ where, select: { id: true, clientId: true } });
        await endGrants(within, { grants: where, now });
        return grants;
      }),
    narrow: ({ id, userId, resource, scopes, now }) =>
      inTransaction(database, async (within) => {
        const row = await within.prisma.grant.findFirst({ where: { id, userId } });
        const granted = row && scopesByResource(row)[resource];
        if (!granted) return { ok: false, refusal: { reason: 'unknown_grant' } };
        const kept = granted.filter((scope) => scopes.includes(scope));
        if (kept.length === 0) return { ok: false, refusal: { reason: 'nothing_left' } };
        const removed = granted.filter((scope) => !kept.includes(scope));
        const { clientId } = row;
        if (removed.length === 0) return { ok: true, kept, removed, clientId };
        const resources = JSON.stringify({ ...parseScopes(row), [resource]: kept.join(' ') });
        await within.prisma.grant.updateMany({ where: { id }, data: { resources } });
        await endTokensSoFar(within, { grants: { id }, now });
        await narrowTokens(within.prisma, { grantId: id, removed });
        await within.prisma.consent.deleteMany({ where: { userId, clientId } });
        return { ok: true, kept, removed, clientId };
      }),
    noteUse: async ({ id, now }) => {
      const due = useDueSince(now);
      await prisma.grant.updateMany({
        where: { id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lte: due } }] },
        data: { lastUsedAt: now },
      });
    },
  };
}

/** A use at `now` is noted where the last one was by then. */
export function useDueSince(now: Date): Date {
  return new Date(now.getTime() - MINUTE_MS);
}

/** Takes scopes away from the refresh tokens and codes of a grant; the engine lets none ask for more than its own. */
async function narrowTokens(
  prisma: Database['prisma'],
  { grantId, removed }: { grantId: string; removed: readonly string[] },
): Promise<void> {
  const without = (scope: string | null) =>
    scope
      ?.split(' ')
      .filter((one) => !removed.includes(one))
      .join(' ') ?? null;
  const tokens = await prisma.refreshToken.findMany({
    where: { grantId },
    distinct: ['scope'],
    select: { scope: true },
  });
  for (const { scope } of tokens) {
    await prisma.refreshToken.updateMany({ where: { grantId, scope }, data: { scope: without(scope) } });
  }
  const codes = await prisma.authorizationCode.findMany({ where: { grantId }, select: { id: true, scope: true } });
  for (const { id, scope } of codes) {
    await prisma.authorizationCode.updateMany({ where: { id }, data: { scope: without(scope) } });
  }
}

function parseScopes({ resources }: Pick<GrantRow, 'resources'>): Record<string, string> {
  return resources === null ? {} : JSON.parse(resources);
}

/** What a grant's row allows, and whom. */
export function termsOf(row: Pick<GrantRow, 'userId' | 'clientId' | 'resources'>): GrantTerms {
  return { userId: row.userId, clientId: row.clientId, resources: scopesByResource(row) };
}

function scopesByResource(row: Pick<GrantRow, 'resources'>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(parseScopes(row)).map(([resource, scope]) => [resource, scope.split(' ').filter(Boolean)]),
  );
}
