import type { Database } from './database.ts';
import type { PresentSignIn } from './session-rows.ts';
import { NOTE_SIGN_IN_SEEN, SIGN_IN_OF_USER } from './statements/sign-ins.ts';

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
  /** Notes that a sign-in was used, at most once a minute; `lastSeenAt` as it was read saves asking for nothing. */
  noteSeen(o: { id: string; address: string; now: Date; expiresAt?: Date; lastSeenAt?: Date }): Promise<void>;
  /** A sign-in that still stands for its user: not ended, the user not disabled, nothing ended since. */
  findOpen(o: { id: string; userId: string; now: Date }): Promise<Pick<SignIn, 'lastSeenAt'> | undefined>;
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

/** A sign-in that is of the present epoch, unless it was ended or has expired. */
export function ifOpen<One extends Pick<PresentSignIn, 'endedAt' | 'expiresAt'>>(
  signIn: One | undefined,
  now: Date,
): One | undefined {
  return signIn && signIn.endedAt === null && signIn.expiresAt > now ? signIn : undefined;
}

/** The sign-ins behind the engine's sessions. */
export function createSignInStore({ prisma, statements }: Database): SignInStore {
  /** A sign-in of this user, if it is of the present epoch and the user is not disabled. */
  const findPresent = async ({ id, userId }: Pick<SignIn, 'id' | 'userId'>) => {
    const [signIn] = await statements.run<Omit<PresentSignIn, 'id'>>(SIGN_IN_OF_USER, id, userId);
    return signIn;
  };
  const end = async (ids: readonly string[], now: Date): Promise<number> => {
    const id = { in: [...ids] };
    const { count } = await prisma.signIn.updateMany({ where: { id, endedAt: null }, data: { endedAt: now } });
    await prisma.engineRecord.deleteMany({ where: { model: 'Session', uid: id } });
    return count;
  };

  return {
    isOfPresentEpoch: async (one) => (await findPresent(one)) !== undefined,
    begin: async ({ id, userId, now, ...columns }) => {
      const seen = { ...columns, lastSeenAt: now };
      const { count } = await prisma.signIn.updateMany({ where: { id, userId }, data: seen });
      if (count === 0) await prisma.signIn.create({ data: { id, userId, ...seen } });
    },
    noteSeen: async ({ id, address, now, expiresAt, lastSeenAt }) => {
      const dueSince = new Date(now.getTime() - MINUTE_MS);
      if (lastSeenAt && lastSeenAt > dueSince) return;
      await statements.run(NOTE_SIGN_IN_SEEN, id, dueSince, now, address, expiresAt ?? null);
    },
    findOpen: async ({ id, userId, now }) => ifOpen(await findPresent({ id, userId }), now),
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
