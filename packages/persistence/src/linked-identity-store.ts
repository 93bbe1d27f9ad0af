import type { Database } from './database.ts';
import type { LinkedIdentity as Row } from './generated/postgresql/client.ts';
import { hashToken } from './token-hash.ts';

/** A person at an identity provider: the two together, compared exactly (OpenID Connect Core, section 5.7). */
export type Identity = { issuer: string; subject: string };

/** An identity that is a user's here. */
export type LinkedIdentity = Identity & {
  /** No secret, and good for links. */
  id: string;
  userId: string;
  /** What the provider last called the person; shown, never compared. */
  label: string | undefined;
  /** Roles that the user has by groups at the provider: the next sign-in may take them. */
  givenRoles: string[];
  /** Whether it was added at the account page, by whoever was signed in there. */
  addedByUser: boolean;
  createdAt: Date;
  /** When it last let the user in, give or take a minute. */
  lastUsedAt: Date | undefined;
};

export type LinkedIdentityStore = {
  find(identity: Identity): Promise<LinkedIdentity | undefined>;
  /** What is linked to a user, the oldest first. */
  list(userId: string): Promise<LinkedIdentity[]>;
  /** Which of some users have any. */
  linkedAmong(userIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Links an identity to a user. False when it is linked already, to this user or another. */
  link(
    o: Identity & { userId: string; label?: string | undefined; addedByUser?: boolean; now: Date },
  ): Promise<boolean>;
  /** Takes a link of a user away; undefined when the user has none by that id. */
  unlink(o: { id: string; userId: string }): Promise<LinkedIdentity | undefined>;
  /** Notes a sign-in: what the provider calls the person now, and which roles its groups give. */
  noteSignIn(o: Identity & { label: string | undefined; givenRoles: readonly string[]; now: Date }): Promise<void>;
  /** Notes that an identity let its user in, at most once a minute. */
  noteUse(o: Identity & { now: Date }): Promise<void>;
};

const MINUTE_MS = 60_000;

/** Who at which identity provider is which user. */
export function createLinkedIdentityStore({ prisma }: Database): LinkedIdentityStore {
  return {
    find: async (identity) => {
      const row = await prisma.linkedIdentity.findUnique({ where: { id: idOf(identity) } });
      return row ? toIdentity(row) : undefined;
    },
    list: async (userId) =>
      (await prisma.linkedIdentity.findMany({ where: { userId }, orderBy: { createdAt: 'asc' } })).map(toIdentity),
    linkedAmong: async (userIds) => {
      const where = { userId: { in: [...userIds] } };
      const rows = await prisma.linkedIdentity.findMany({ where, select: { userId: true }, distinct: 'userId' });
      return new Set(rows.map(({ userId }) => userId));
    },
    link: async ({ issuer, subject, userId, label, addedByUser = false, now }) => {
      const id = idOf({ issuer, subject });
      // In a transaction the second of two that link at once fails at the key, and is done over.
      if (await prisma.linkedIdentity.findUnique({ where: { id } })) return false;
      await prisma.linkedIdentity.create({
        data: { id, issuer, subject, userId, label: label ?? null, addedByUser, createdAt: now },
      });
      return true;
    },
    unlink: async ({ id, userId }) => {
      const row = await prisma.linkedIdentity.findUnique({ where: { id } });
      if (row?.userId !== userId) return undefined;
      const { count } = await prisma.linkedIdentity.deleteMany({ where: { id, userId } });
      return count > 0 ? toIdentity(row) : undefined;
    },
    noteSignIn: async ({ label, givenRoles, now, ...identity }) => {
      const data = { label: label ?? null, givenRoles: givenRoles.join(' '), lastUsedAt: now };
      await prisma.linkedIdentity.updateMany({ where: { id: idOf(identity) }, data });
    },
    noteUse: async ({ now, ...identity }) => {
      const due = new Date(now.getTime() - MINUTE_MS);
      await prisma.linkedIdentity.updateMany({
        where: { id: idOf(identity), OR: [{ lastUsedAt: null }, { lastUsedAt: { lte: due } }] },
        data: { lastUsedAt: now },
      });
    },
  };
}

/** A subject may be longer than a database's index takes. */
function idOf({ issuer, subject }: Identity): string {
  return hashToken(JSON.stringify([issuer, subject]));
}

function toIdentity({ lastUsedAt, label, givenRoles, ...row }: Row): LinkedIdentity {
  return {
    ...row,
    label: label ?? undefined,
    givenRoles: givenRoles === '' ? [] : givenRoles.split(' '),
    lastUsedAt: lastUsedAt ?? undefined,
  };
}
