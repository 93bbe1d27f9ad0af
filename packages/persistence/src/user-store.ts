import { randomUUID } from 'node:crypto';
import type { AuditEvent } from '@portcullis/platform';
import { createAuditLog } from './audit-log.ts';
import { type Database, isUniqueViolation } from './database.ts';
import { endTokens, endTokensSoFar, untilRequestsEnd } from './grant-ending.ts';
import { holdsNul } from './nul.ts';
import { narrowPersonalAccessTokens } from './personal-access-token-ending.ts';
import { USER_WITH_ROLES } from './statements/lookups.ts';
import { inTransaction } from './transaction.ts';

/** A person who can sign in. */
export type User = {
  id: string;
  /** Trimmed, in lower case. */
  email: string;
  /** Null until the person has set a password. */
  passwordHash: string | null;
  roles: string[];
  /** Null while the person may sign in. */
  disabledAt: Date | null;
  /** Goes up each time that all which the person's sign-ins opened is ended. */
  accessEpoch: number;
};

export type CreateUserResult = { ok: true; user: User } | { ok: false; refusal: { reason: 'email_taken' } };

export type UpdateUserResult =
  | { ok: true; user: User }
  | { ok: false; refusal: { reason: 'email_taken' | 'unknown_user' } };

export type UserStore = {
  /**
   * Creates the first administrator (roles `admin` and `lead`), unless there is an administrator; `event` records it in
   * the same transaction, with the new user as its subject. Of several at once exactly one does.
   */
  createFirstAdministrator(o: {
    email: string;
    passwordHash: string;
    now: Date;
    event: Omit<AuditEvent, 'subject'>;
  }): Promise<{ created: boolean; userId?: string }>;
  create(o: { email: string; roles: readonly string[]; now: Date }): Promise<CreateUserResult>;
  findById(id: string): Promise<User | undefined>;
  findByEmail(email: string): Promise<User | undefined>;
  /**
   * Sets the first password of a user. False for no such user, and for one who has a password: see `changePassword`,
   * which ends what was opened with the old one.
   */
  setPassword(o: { userId: string; passwordHash: string; now: Date }): Promise<boolean>;
  /** Disables a user, and has resource servers refuse the user's tokens; or enables one. False for no such user. */
  setDisabled(o: { userId: string; disabled: boolean; now: Date }): Promise<boolean>;
  /** Whether anybody can sign in, or could with a password. */
  hasAny(): Promise<boolean>;
  /** By e-mail address, at most `limit`, of those that come after the address `after`. */
  list(o: { after?: string | undefined; limit: number }): Promise<User[]>;
  /**
   * Changes what is given; the roles are replaced as a whole. Resource servers refuse tokens that still name a role
   * that was taken.
   */
  update(o: { userId: string; email?: string; roles?: readonly string[]; now: Date }): Promise<UpdateUserResult>;
  /** How many users hold a role and may sign in. */
  countActive(role: string): Promise<number>;
};

const firstAdministratorRoles = ['admin', 'lead'];

/** Users and their roles. */
export function createUserStore(database: Database): UserStore {
  const { prisma, statements } = database;
  const withRoles = { roles: { select: { role: true }, orderBy: { role: 'asc' } } } as const;

  return {
    createFirstAdministrator: async ({ email, passwordHash, now, event }) => {
      try {
        return await inTransaction(database, async (within) => {
          const administrator = await within.prisma.userRole.findFirst({ where: { role: 'admin' } });
          if (administrator) return { created: false };
          const { id } = await within.prisma.user.create({
            // Two requests may get this far: the index over `founder` lets one row in.
            data: { ...newUser({ email, roles: firstAdministratorRoles, now }), passwordHash, founder: true },
          });
          await createAuditLog(within).record({ ...event, subject: id });
          return { created: true, userId: id };
        });
      } catch (error) {
        if (isUniqueViolation(error)) return { created: false };
        throw error;
      }
    },
    create: async (user) => {
      try {
        return { ok: true, user: toUser(await prisma.user.create({ data: newUser(user), include: withRoles })) };
      } catch (error) {
        if (isUniqueViolation(error)) return { ok: false, refusal: { reason: 'email_taken' } };
        throw error;
      }
    },
    findById: async (id) => userOf(await statements.run<UserAndRole>(USER_WITH_ROLES, id)),
    findByEmail: async (email) => {
      if (holdsNul(email)) return undefined;
      return optionalUser(await prisma.user.findUnique({ where: { email: comparable(email) }, include: withRoles }));
    },
    setPassword: async ({ userId, passwordHash, now }) => {
      const { count } = await prisma.user.updateMany({
        where: { id: userId, passwordHash: null },
        data: { passwordHash, updatedAt: now },
      });
      return count === 1;
    },
    setDisabled: ({ userId, disabled, now }) =>
      inTransaction(database, async (within) => {
        const { count } = await within.prisma.user.updateMany({
          where: { id: userId },
          data: { disabledAt: disabled ? now : null, updatedAt: now },
        });
        if (count > 0 && disabled) {
          await endTokens(within, { grants: { userId }, issuedUntil: untilRequestsEnd(now), now });
          await narrowPersonalAccessTokens(within, { userId, now });
        }
        return count > 0;
      }),
    list: async ({ after, limit }) => {
      const where = after === undefined ? {} : { email: { gt: after } };
      const rows = await prisma.user.findMany({ where, include: withRoles, orderBy: { email: 'asc' }, take: limit });
      return rows.map(toUser);
    },
    update: async ({ userId, email, roles, now }) => {
      const before = await prisma.user.findUnique({ where: { id: userId }, include: withRoles });
      if (!before) return { ok: false, refusal: { reason: 'unknown_user' } };
      const loses = roles !== undefined && before.roles.some(({ role }) => !roles.includes(role));
      const data = {
        updatedAt: now,
        ...(email !== undefined && { email: comparable(email) }),
        ...(roles && { roles: { deleteMany: {}, create: roles.map((role) => ({ role })) } }),
      };
      try {
        const user = await inTransaction(database, async (within) => {
          if (loses) {
            await endTokensSoFar(within, { grants: { userId }, now });
            await narrowPersonalAccessTokens(within, { userId, now });
          }
          return within.prisma.user.update({ where: { id: userId }, data, include: withRoles });
        });
        return { ok: true, user: toUser(user) };
      } catch (error) {
        if (isUniqueViolation(error)) return { ok: false, refusal: { reason: 'email_taken' } };
        throw error;
      }
    },
    countActive: (role) => prisma.user.count({ where: { disabledAt: null, roles: { some: { role } } } }),
    hasAny: async () => (await prisma.user.findFirst({ select: { id: true } })) !== null,
  };
}

function comparable(email: string): string {
  return email.trim().toLowerCase();
}

function newUser({ email, roles, now }: { email: string; roles: readonly string[]; now: Date }) {
  return {
    id: randomUUID(),
    email: comparable(email),
    createdAt: now,
    updatedAt: now,
    roles: { create: roles.map((role) => ({ role })) },
  };
}

/** A user beside one of the roles; null where there is none. */
export type UserAndRole = Omit<User, 'roles'> & { role: string | null };

/** The user that rows are of; undefined where there are none. */
export function userOf(rows: readonly UserAndRole[]): User | undefined {
  const [user] = rows;
  return user && toUser({ ...user, roles: rows.flatMap(({ role }) => (role === null ? [] : { role })) });
}

type UserRow = Omit<User, 'roles'> & { roles: { role: string }[] };

function toUser({ id, email, passwordHash, disabledAt, accessEpoch, roles }: UserRow): User {
  return { id, email, passwordHash, disabledAt, accessEpoch, roles: roles.map(({ role }) => role) };
}

function optionalUser(row: UserRow | null): User | undefined {
  return row ? toUser(row) : undefined;
}
