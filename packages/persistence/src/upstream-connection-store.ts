import type { AuditEvent } from '@portcullis/platform';
import { createAuditLog } from './audit-log.ts';
import type { Database } from './database.ts';
import type { Envelope } from './envelope.ts';
import type { UpstreamConnection as ConnectionRow } from './generated/postgresql/client.ts';
import { hashToken } from './token-hash.ts';
import { inTransaction } from './transaction.ts';
import { addRevocation, forgetRevocation, forgetShared } from './upstream-revocation-store.ts';
import {
  openTokens,
  sealTokens,
  type TokenPair,
  type UpstreamTokens,
  upstreamConnectionPlace,
} from './upstream-tokens.ts';

/** An account at an upstream with one exact set of scopes: what a connection is known by. */
export type UpstreamAccount = {
  userId: string;
  upstream: string;
  /** Who the user is there, by the upstream's own identifier. */
  subject: string;
  scopes: readonly string[];
};

/** A connection without its tokens. */
export type UpstreamConnection = UpstreamAccount & {
  id: string;
  /** Who the user is there, in words for people. */
  label: string | undefined;
  connectedAt: Date;
  accessExpiresAt: Date | undefined;
  /** Whether the upstream has said that it is over. */
  ended: boolean;
};

/** What a user agreed that the client of a grant may use at an upstream. */
export type UpstreamAgreement = { grantId: string; upstream: string; scopes: readonly string[] };

/** The token vault: what users are connected to elsewhere, and which grants may use it. */
export type UpstreamConnectionStore = {
  /** Writes down what a user agreed to for a grant, in place of what was written before. */
  agree(agreement: UpstreamAgreement): Promise<void>;
  /** What was agreed to for a grant, and the connection that serves it, if there is one that is not over. */
  agreement(
    grantId: string,
  ): Promise<{ agreed: UpstreamAgreement; connection: UpstreamConnection | undefined } | undefined>;
  /**
   * Stores an account with its tokens, and lets a grant use it. Tokens that it had before are to be revoked then, unless
   * they are still among its own. `waiting` is what the tokens are known by that wait to be revoked: they do so no longer.
   * What is done and `event`, which says so, are one write.
   *
   * @returns false when nothing was agreed to for the grant, or the tokens do not wait any more
   */
  connect(o: {
    account: UpstreamAccount;
    label: string | undefined;
    tokens: UpstreamTokens;
    grantId: string;
    waiting?: string;
    event?: AuditEvent;
    now: Date;
  }): Promise<boolean>;
  /** Lets a grant use a connection of the same user. False when there is no such connection or agreement. */
  use(o: { grantId: string; connectionId: string; userId: string }): Promise<boolean>;
  /** The connections of a user, the newest first, those that are over too. */
  list(o: { userId: string; upstream?: string }): Promise<UpstreamConnection[]>;
  /** The grants that may use a connection. */
  grantsOf(connectionId: string): Promise<{ grantId: string; clientId: string }[]>;
  /** The tokens of a connection. @throws when they were not sealed for this very connection */
  tokens(id: string): Promise<UpstreamTokens | undefined>;
  /** Takes the right to refresh one that is not over. Of several at once, on any replica, one gets true. */
  lease(o: { id: string; now: Date; until: Date }): Promise<boolean>;
  /** Whether somebody holds that right. */
  isLeased(o: { id: string; now: Date }): Promise<boolean>;
  /**
   * Stores what a refresh brought, and ends the lease until `leased`. Where that is not held any more, nothing: what it
   * brought is to be revoked then, if the account was disconnected or connected anew meanwhile.
   *
   * @returns whether it is stored
   */
  saveRefreshed(o: {
    connection: UpstreamConnection;
    tokens: UpstreamTokens;
    leased: Date;
    now: Date;
  }): Promise<boolean>;
  /** Ends the lease until `leased` without tokens; `ended` when the connection turned out to be over. */
  release(o: { id: string; leased: Date; ended?: Date }): Promise<void>;
  /** Connections that no living grant may use, and nobody has a lease on; those that have waited longest come first. */
  unused(o: { now: Date; limit: number }): Promise<UpstreamConnection[]>;
  /**
   * Forgets a connection that no living grant may use; its tokens are to be revoked. Of several at once one does it.
   *
   * @returns what they are known by until then
   * @throws when its tokens were not sealed for this very connection
   */
  retire(o: { id: string; now: Date }): Promise<string | undefined>;
};

/** {@link UpstreamConnectionStore} over the database. Tokens are sealed for the connection that they belong to. */
export function createUpstreamConnectionStore(database: Database, envelope: Envelope): UpstreamConnectionStore {
  const { prisma } = database;
  return {
    agree: async ({ grantId, upstream, scopes }) => {
      const columns = { upstream, scopes: joined(scopes), connectionId: null };
      await prisma.upstreamAgreement.upsert({ where: { grantId }, create: { grantId, ...columns }, update: columns });
    },
    agreement: async (grantId) => {
      const row = await prisma.upstreamAgreement.findUnique({ where: { grantId }, include: { connection: true } });
      if (!row) return undefined;
      const agreed = { grantId, upstream: row.upstream, scopes: split(row.scopes) };
      return { agreed, connection: row.connection && !row.connection.endedAt ? described(row.connection) : undefined };
    },
    connect: ({ account, label, tokens, grantId, waiting, event, now }) =>
      inTransaction(database, async (within) => {
        if (waiting !== undefined && !(await forgetRevocation(within, waiting))) return false;
        const id = connectionId(account);
        const { userId, upstream, subject } = account;
        const before = await within.prisma.upstreamConnection.findUnique({ where: { id } });
        const replaced = before && readable(before, envelope);
        if (replaced) await addRevocation(within, { owner: account, tokens: replaced, since: now }, envelope);
        const columns = {
          label: label ?? null,
          sealedTokens: sealed(account, tokens, envelope),
          accessExpiresAt: tokens.accessExpiresAt ?? null,
          connectedAt: now,
          refreshedAt: null,
          leaseUntil: null,
          endedAt: null,
        };
        const key = { userId, upstream, subject, scopes: joined(account.scopes) };
        await within.prisma.upstreamConnection.upsert({
          where: { id },
          create: { id, ...key, ...columns },
          update: columns,
        });
        await forgetShared(within, { owner: account, tokens, now }, envelope);
        const isLinked = await linked(within, { grantId, connectionId: id, userId, upstream });
        if (isLinked && event) await createAuditLog(within).record(event);
        return isLinked;
      }),
    use: ({ grantId, connectionId: id, userId }) =>
      inTransaction(database, async (within) => {
        const row = await within.prisma.upstreamConnection.findFirst({ where: { id, userId, endedAt: null } });
        return row !== null && linked(within, { grantId, connectionId: id, userId, upstream: row.upstream });
      }),
    list: async ({ userId, upstream }) => {
      const where = { userId, ...(upstream !== undefined && { upstream }) };
      const rows = await prisma.upstreamConnection.findMany({ where, orderBy: { connectedAt: 'desc' } });
      return rows.map(described);
    },
    grantsOf: async (id) => {
      const rows = await prisma.upstreamAgreement.findMany({
        where: { connectionId: id },
        select: { grantId: true, grant: { select: { clientId: true } } },
      });
      return rows.map(({ grantId, grant }) => ({ grantId, clientId: grant.clientId }));
    },
    tokens: async (id) => {
      const row = await prisma.upstreamConnection.findUnique({ where: { id } });
      return row ? opened(row, envelope) : undefined;
    },
    lease: async ({ id, now, until }) => {
      const { count } = await prisma.upstreamConnection.updateMany({
        where: { id, endedAt: null, ...freeAt(now) },
        data: { leaseUntil: until },
      });
      return count === 1;
    },
    isLeased: async ({ id, now }) =>
      (await prisma.upstreamConnection.count({ where: { id, leaseUntil: { gt: now } } })) > 0,
    saveRefreshed: ({ connection, tokens, leased, now }) =>
      inTransaction(database, async (within) => {
        const { id, connectedAt } = connection;
        const { count } = await within.prisma.upstreamConnection.updateMany({
          where: { id, leaseUntil: leased },
          data: {
            sealedTokens: sealed(connection, tokens, envelope),
            accessExpiresAt: tokens.accessExpiresAt ?? null,
            refreshedAt: now,
            leaseUntil: null,
          },
        });
        if (count === 1) return true;
        const current = await within.prisma.upstreamConnection.findUnique({ where: { id } });
        // Whoever took over the lease refreshed the same tokens: to revoke these might end theirs.
        if (current?.connectedAt.getTime() !== connectedAt.getTime())
          await addRevocation(within, { owner: connection, tokens, since: now }, envelope);
        return false;
      }),
    release: async ({ id, leased, ended }) => {
      await prisma.upstreamConnection.updateMany({
        where: { id, leaseUntil: leased },
        data: { leaseUntil: null, ...(ended && { endedAt: ended }) },
      });
    },
    unused: async ({ now, limit }) => {
      const rows = await prisma.upstreamConnection.findMany({
        where: { ...unusedAt(now), ...freeAt(now) },
        orderBy: { leaseUntil: { sort: 'asc', nulls: 'first' } },
        take: limit,
      });
      return rows.map(described);
    },
    retire: ({ id, now }) =>
      inTransaction(database, async (within) => {
        const where = { id, ...unusedAt(now), ...freeAt(now) };
        const row = await within.prisma.upstreamConnection.findFirst({ where });
        if (!row) return undefined;
        const { userId, upstream, subject } = row;
        const tokens = opened(row, envelope);
        if ((await within.prisma.upstreamConnection.deleteMany({ where })).count !== 1) return undefined;
        return addRevocation(within, { owner: { userId, upstream, subject }, tokens, since: now }, envelope);
      }),
  };
}

function freeAt(now: Date) {
  return { OR: [{ leaseUntil: null }, { leaseUntil: { lte: now } }] };
}

function unusedAt(now: Date) {
  return { agreements: { none: { grant: { expiresAt: { gt: now } } } } };
}

async function linked(
  { prisma }: Database,
  {
    grantId,
    connectionId,
    userId,
    upstream,
  }: { grantId: string; connectionId: string; userId: string; upstream: string },
): Promise<boolean> {
  const { count } = await prisma.upstreamAgreement.updateMany({
    where: { grantId, upstream, grant: { userId } },
    data: { connectionId },
  });
  return count === 1;
}

/** Two spellings of one set of scopes are one set. */
function joined(scopes: readonly string[]): string {
  return [...new Set(scopes)].sort().join(' ');
}

function split(scopes: string): string[] {
  return scopes === '' ? [] : scopes.split(' ');
}

function connectionId({ userId, upstream, subject, scopes }: UpstreamAccount): string {
  return hashToken(JSON.stringify([userId, upstream, subject, joined(scopes)]));
}

function placeOf(account: UpstreamAccount): string {
  return upstreamConnectionPlace({ ...account, scopes: joined(account.scopes) });
}

function sealed(account: UpstreamAccount, tokens: UpstreamTokens, envelope: Envelope): string {
  return sealTokens(tokens, placeOf(account), envelope);
}

function opened(row: ConnectionRow, envelope: Envelope): UpstreamTokens {
  const tokens = openTokens(row.sealedTokens, upstreamConnectionPlace(row), envelope);
  return { ...tokens, accessExpiresAt: row.accessExpiresAt ?? undefined };
}

/** What does not open cannot be revoked; it must not keep its user from connecting anew. */
function readable(row: ConnectionRow, envelope: Envelope): TokenPair | undefined {
  try {
    return opened(row, envelope);
  } catch {
    return undefined;
  }
}

function described(row: ConnectionRow): UpstreamConnection {
  return {
    id: row.id,
    userId: row.userId,
    upstream: row.upstream,
    subject: row.subject,
    scopes: split(row.scopes),
    label: row.label ?? undefined,
    connectedAt: row.connectedAt,
    accessExpiresAt: row.accessExpiresAt ?? undefined,
    ended: row.endedAt !== null,
  };
}
