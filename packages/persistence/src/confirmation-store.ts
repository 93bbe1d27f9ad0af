import { type Database, isUniqueViolation } from './database.ts';
import { hashToken } from './token-hash.ts';

/** What a confirmation is about, as the database tells it; the arguments are in `sealedCall`. */
type ConfirmationSubject = {
  userId: string;
  clientId: string;
  grantId: string;
  resource: string;
  tool: string;
};

/** One question to a user. */
export type Confirmation = ConfirmationSubject & {
  id: string;
  nonce: string;
  /** Undefined once it was decided. */
  sealedCall: string | undefined;
  createdAt: Date;
  expiresAt: Date;
  state: 'open' | 'approved' | 'denied' | 'used';
};

/** A new question; `handle` is what its page is found by, and is stored as its hash. */
type NewConfirmation = ConfirmationSubject & {
  handle: string;
  nonce: string;
  callHash: string;
  sealedCall: string;
  now: Date;
  expiresAt: Date;
  /** The question about the same call that this one takes the place of, though nobody has decided it. */
  inPlaceOf?: string | undefined;
};

export type ConfirmationStore = {
  /** Uses up the approval of a call. True for exactly one of those who try, on all replicas. */
  use(o: { callHash: string; now: Date }): Promise<boolean>;
  /** What is unused and has not expired about a call. */
  findByCall(o: { callHash: string; now: Date }): Promise<Confirmation | undefined>;
  /** Asks anew, in the place of what is used or expired. False where somebody else has just asked the same. */
  open(confirmation: NewConfirmation): Promise<boolean>;
  /** What a page's address leads to, used or not, while it has not expired. */
  find(o: { handle: string; now: Date }): Promise<Confirmation | undefined>;
  /** Decides, once, for this very user. False where it was decided before, has expired, or is somebody else's. */
  decide(o: { id: string; userId: string; approve: boolean; now: Date; expiresAt: Date }): Promise<boolean>;
};

/** Confirmations of single calls (SP-29). */
export function createConfirmationStore({ prisma }: Database): ConfirmationStore {
  const live = (now: Date) => ({ expiresAt: { gt: now } });
  return {
    async use({ callHash, now }) {
      const { count } = await prisma.confirmation.updateMany({
        where: { callHash, approvedAt: { not: null }, usedAt: null, ...live(now) },
        data: { usedAt: now },
      });
      return count === 1;
    },
    async findByCall({ callHash, now }) {
      const row = await prisma.confirmation.findFirst({ where: { callHash, usedAt: null, ...live(now) } });
      return row ? described(row) : undefined;
    },
    async open({ handle, now, inPlaceOf, ...confirmation }) {
      const { callHash } = confirmation;
      const replaced = inPlaceOf === undefined ? [] : [{ id: inPlaceOf }];
      await prisma.confirmation.deleteMany({
        where: { callHash, OR: [{ usedAt: { not: null } }, { expiresAt: { lte: now } }, ...replaced] },
      });
      try {
        await prisma.confirmation.create({ data: { ...confirmation, id: hashToken(handle), createdAt: now } });
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },
    async find({ handle, now }) {
      const row = await prisma.confirmation.findFirst({ where: { id: hashToken(handle), ...live(now) } });
      return row ? described(row) : undefined;
    },
    async decide({ id, userId, approve, now, expiresAt }) {
      const { count } = await prisma.confirmation.updateMany({
        where: { id, userId, approvedAt: null, deniedAt: null, usedAt: null, ...live(now) },
        data: { sealedCall: null, expiresAt, ...(approve ? { approvedAt: now } : { deniedAt: now }) },
      });
      return count === 1;
    },
  };
}

/** Where the call of a confirmation belongs. */
export function confirmationPlace(id: string): string {
  return `confirmation ${id}`;
}

type Row = NonNullable<Awaited<ReturnType<Database['prisma']['confirmation']['findFirst']>>>;

function described(row: Row): Confirmation {
  const { approvedAt, deniedAt, usedAt, sealedCall, callHash: _, ...rest } = row;
  return { ...rest, sealedCall: sealedCall ?? undefined, state: stateOf({ approvedAt, deniedAt, usedAt }) };
}

function stateOf({ approvedAt, deniedAt, usedAt }: Pick<Row, 'approvedAt' | 'deniedAt' | 'usedAt'>) {
  if (usedAt) return 'used';
  if (deniedAt) return 'denied';
  return approvedAt ? 'approved' : 'open';
}
