import { randomUUID } from 'node:crypto';
import type { Database } from './database.ts';
import type { Envelope } from './envelope.ts';
import type { UpstreamRevocation as Row } from './generated/postgresql/client.ts';
import { inTransaction } from './transaction.ts';
import {
  openTokens,
  sealTokens,
  shareToken,
  type TokenPair,
  upstreamConnectionPlace,
  upstreamRevocationPlace,
} from './upstream-tokens.ts';

/** Whose tokens of an upstream are: of which user here, and of whom there, where that is known. */
export type UpstreamOwner = { userId: string; upstream: string; subject: string | undefined };

/** Tokens that one caller may revoke now. */
export type UpstreamRevocation = UpstreamOwner & {
  tokens: TokenPair;
  /** Since when nobody keeps them. */
  since: Date;
  /** What is kept of the same account there: these very tokens, or at least one of them; others only; or none. */
  kept: 'these' | 'others' | 'none';
};

/** Tokens that upstreams are to revoke: written down before anybody is asked, until it is done or given up. */
export type UpstreamRevocationStore = {
  /**
   * Writes tokens down that nobody keeps from `since` on. That may lie ahead: until then they can be connected.
   *
   * @returns what they are known by
   */
  add(o: { owner: UpstreamOwner; tokens: TokenPair; since: Date }): Promise<string>;
  /** Ends the time in which tokens can be connected. */
  hasten(o: { id: string; now: Date }): Promise<void>;
  /** What is to be revoked by now; those that have waited longest come first. */
  due(o: { now: Date; limit: number }): Promise<string[]>;
  /**
   * Takes the right to revoke. Of several at once, on any replica, one gets it, and nobody again before the time that
   * `until` makes of when they were not kept any more. Where it is not known whose they are there, whatever their user
   * has connected at that upstream counts as of the same account.
   *
   * @throws when tokens were not sealed for where they stand
   */
  take(o: { id: string; now: Date; until(since: Date): Date }): Promise<UpstreamRevocation | undefined>;
  /** Forgets them. False where somebody did before, or connected them. */
  forget(id: string): Promise<boolean>;
};

/** {@link UpstreamRevocationStore} over the database. */
export function createUpstreamRevocationStore(database: Database, envelope: Envelope): UpstreamRevocationStore {
  const { prisma } = database;
  return {
    add: (o) => addRevocation(database, o, envelope),
    hasten: async ({ id, now }) => {
      await prisma.upstreamRevocation.updateMany({ where: { id }, data: { since: now, dueAt: now } });
    },
    due: async ({ now, limit }) => {
      const rows = await prisma.upstreamRevocation.findMany({
        where: { dueAt: { lte: now } },
        orderBy: { dueAt: 'asc' },
        take: limit,
        select: { id: true },
      });
      return rows.map(({ id }) => id);
    },
    take: async ({ id, now, until }) => {
      const taken = await inTransaction(database, async (within) => {
        const row = await within.prisma.upstreamRevocation.findFirst({ where: { id, dueAt: { lte: now } } });
        if (!row) return undefined;
        const data = { dueAt: until(row.since) };
        const where = { id, dueAt: row.dueAt };
        const { count } = await within.prisma.upstreamRevocation.updateMany({ where, data });
        return count === 1 ? { row, sealed: await keptOf(within, row, now) } : undefined;
      });
      if (!taken) return undefined;
      const { userId, upstream, subject, since } = taken.row;
      const tokens = opened(taken.row, envelope);
      const kept = taken.sealed.map(({ sealedTokens, place }) => openTokens(sealedTokens, place, envelope));
      return { userId, upstream, subject: subject ?? undefined, tokens, since, kept: judged(tokens, kept) };
    },
    forget: (id) => forgetRevocation(database, id),
  };
}

/** {@link UpstreamRevocationStore.add}, for those who stop keeping tokens in a transaction of their own. */
export async function addRevocation(
  { prisma }: Database,
  { owner, tokens, since }: { owner: UpstreamOwner; tokens: TokenPair; since: Date },
  envelope: Envelope,
): Promise<string> {
  const { userId, upstream } = owner;
  const key = { id: randomUUID(), userId, upstream, subject: owner.subject ?? null };
  const sealedTokens = sealTokens(tokens, upstreamRevocationPlace(key), envelope);
  await prisma.upstreamRevocation.create({ data: { ...key, sealedTokens, since, dueAt: since } });
  return key.id;
}

/** {@link UpstreamRevocationStore.forget}, for those who keep them from now on. */
export async function forgetRevocation({ prisma }: Database, id: string): Promise<boolean> {
  return (await prisma.upstreamRevocation.deleteMany({ where: { id } })).count === 1;
}

/**
 * Forgets what waits to be revoked and is kept again: an upstream may give the same tokens anew. What they become when
 * they are refreshed would be ended with them, and could not be told from others.
 */
export async function forgetShared(
  { prisma }: Database,
  { owner, tokens, now }: { owner: UpstreamOwner & { subject: string }; tokens: TokenPair; now: Date },
  envelope: Envelope,
): Promise<void> {
  const { userId, upstream, subject } = owner;
  const waiting = await prisma.upstreamRevocation.findMany({
    where: { upstream, since: { lte: now }, OR: [{ subject }, { subject: null, userId }] },
  });
  const shared = waiting.filter((row) => shareToken(opened(row, envelope), tokens)).map(({ id }) => id);
  if (shared.length > 0) await prisma.upstreamRevocation.deleteMany({ where: { id: { in: shared } } });
}

/** What is kept of the same account: by a connection that is not over, or until a user has decided about it. */
async function keptOf(
  { prisma }: Database,
  { id, userId, upstream, subject }: Row,
  now: Date,
): Promise<{ sealedTokens: string; place: string }[]> {
  const account = { upstream, ...(subject === null ? { userId } : { subject }) };
  const connections = await prisma.upstreamConnection.findMany({ where: { ...account, endedAt: null } });
  const undecided = await prisma.upstreamRevocation.findMany({
    where: { ...account, id: { not: id }, since: { gt: now } },
  });
  return [
    ...connections.map((row) => ({ sealedTokens: row.sealedTokens, place: upstreamConnectionPlace(row) })),
    ...undecided.map((row) => ({ sealedTokens: row.sealedTokens, place: upstreamRevocationPlace(row) })),
  ];
}

function judged(tokens: TokenPair, kept: readonly TokenPair[]): UpstreamRevocation['kept'] {
  if (kept.some((one) => shareToken(one, tokens))) return 'these';
  return kept.length > 0 ? 'others' : 'none';
}

function opened(row: Row, envelope: Envelope): TokenPair {
  return openTokens(row.sealedTokens, upstreamRevocationPlace(row), envelope);
}
