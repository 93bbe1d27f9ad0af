import type { Database } from './database.ts';

/** One sign-in of a user in one browser. Its id is that of the engine's session, and no secret. */
export type SignIn = {
  id: string;
  userId: string;
  signedInAt: Date;
  /** Give or take a minute. */
  lastSeenAt: Date;
  /** In plain words, such as "Firefox on Linux". */
  browser: string;
  /** The network address it was last seen at. */
  address: string;
};

export type SignInStore = {
  /**
   * Notes that somebody signed in. `accessEpoch` is the user's at the moment that the password was read: when it has
   * gone up since, the sign-in is not open. An ended one stays ended.
   */
  begin(o: Omit<SignIn, 'lastSeenAt'> & { accessEpoch: number; now: Date; expiresAt: Date }): Promise<void>;
  /** Notes that a sign-in was used, at most once a minute. */
  noteSeen(o: { id: string; address: string; now: Date; expiresAt?: Date }): Promise<void>;
  /** Whether a sign-in still stands for its user: not ended, the user not disabled, nothing ended since. */
  isOpen(o: { id: string; userId: string; now: Date }): Promise<boolean>;
  /** Whether what a sign-in opened is good, though the person may have signed out since. */
  isOfPresentEpoch(o: { id: string; userId: string }): Promise<boolean>;
  /** The open sign-ins of a user, the last seen first. */
  list(o: { userId: string; now: Date }): Promise<SignIn[]>;
  /** Ends one sign-in of a user. False when there is no such. */
  end(o: { id: string; userId: string; now: Date }): Promise<boolean>;
  /** Ends all sign-ins of a user but one. Returns how many were open. */
  endOthers(o: { userId: string; keep: string; now: Date }): Promise<number>;
};

const MINUTE_MS = 60_000;

/** The sign-ins behind the engine's sessions. */
export function createSignInStore({ prisma }: Database): SignInStore {
  const isOfPresentEpoch: SignInStore['isOfPresentEpoch'] = async ({ id, userId }) => {
    const signIn = await prisma.signIn.findUnique({ where: { id } });
    if (signIn?.userId !== userId) return false;
    const user = await prisma.user.findUnique({
      where: { id: userId },
      select: { accessEpoch: true, disabledAt: true },
    });
    return user?.disabledAt === null && user.accessEpoch === signIn.accessEpoch;
  };
  const end = async (ids: readonly string[], now: Date): Promise<number> => {
    const id = { in: [...ids] };
    const { count } = await prisma.signIn.updateMany({ where: { id, endedAt: null }, data: { endedAt: now } });
    await prisma.engineRecord.deleteMany({ where: { model: 'Session', uid: id } });
    return count;
  };

  return {
    isOfPresentEpoch,
    begin: async ({ id, userId, now, ...columns }) => {
      const seen = { ...columns, lastSeenAt: now };
      const { count } = await prisma.signIn.updateMany({ where: { id, userId }, data: seen });
      if (count === 0) await prisma.signIn.create({ data: { id, userId, ...seen } });
    },
    noteSeen: async ({ id, address, now, expiresAt }) => {
      await prisma.signIn.updateMany({
        where: { id, lastSeenAt: { lte: new Date(now.getTime() - MINUTE_MS) } },
        data: { lastSeenAt: now, address, ...(expiresAt && { expiresAt }) },
      });
    },
    isOpen: async ({ id, userId, now }) => {
      const signIn = await prisma.signIn.findUnique({ where: { id } });
      if (!signIn || signIn.endedAt !== null || signIn.expiresAt <= now) return false;
      return isOfPresentEpoch({ id, userId });
    },
    list: async ({ userId, now }) => {
      const user = await prisma.user.findUnique({ where: { id: userId }, select: { accessEpoch: true } });
      if (!user) return [];
      const rows = await prisma.signIn.findMany({
        where: { userId, accessEpoch: user.accessEpoch, endedAt: null, expiresAt: { gt: now } },
        orderBy: [{ lastSeenAt: 'desc' }, { id: 'asc' }],
      });
      // The engine drops a session by itself when somebody else signs in at the browser.
      const sessions = await prisma.engineRecord.findMany({
        where: { model: 'Session', uid: { in: rows.map(({ id }) => id) }, expiresAt: { gt: now } },
        select: { uid: true },
      });
      return rows.filter(({ id }) => sessions.some(({ uid }) => uid === id)).map(toSignIn);
    },
    end: async ({ id, userId, now }) => {
      const own = await prisma.signIn.findFirst({ where: { id, userId }, select: { id: true } });
      if (!own) return false;
      await end([id], now);
      return true;
    },
    endOthers: async ({ userId, keep, now }) => {
      const others = await prisma.signIn.findMany({
        where: { userId, endedAt: null, id: { not: keep } },
        select: { id: true },
      });
      return end(
        others.map(({ id }) => id),
        now,
      );
    },
  };
}

function toSignIn({ id, userId, signedInAt, lastSeenAt, browser, address }: SignIn): SignIn {
  return { id, userId, signedInAt, lastSeenAt, browser, address };
}
