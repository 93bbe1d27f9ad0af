import type { JsonWebKey } from 'node:crypto';
import { type Database, isUniqueViolation } from './database.ts';
import type { Envelope } from './envelope.ts';
import type { SigningKey as KeyRow } from './generated/postgresql/client.ts';

/** A private JWK with the members that a key set needs (RFC 7517). */
export type PrivateJwk = JsonWebKey & { kid: string; alg: string };

/** A key as administrators see it. */
export type RecordedSigningKey = {
  kid: string;
  alg: string;
  /** Counts the keys that were ever made. */
  sequence: number;
  createdAt: Date;
  activatesAt: Date;
  overlapSeconds: number;
  retiredAt: Date | undefined;
};

/** A key that is not retired, with its private part. */
export type SigningKey = Omit<RecordedSigningKey, 'retiredAt'> & { jwk: PrivateJwk };

/** A key that has just been made. */
export type NewSigningKey = {
  jwk: PrivateJwk;
  /** One more than the last one. */
  sequence: number;
  activatesAt: Date;
  overlapSeconds: number;
  now: Date;
};

export type SigningKeyStore = {
  /** The keys that are not retired, the oldest first, and how many were ever made. */
  load(): Promise<{ keys: SigningKey[]; lastSequence: number }>;
  /** Keys of all times without their private parts, the newest first, of those made before `before`. */
  list(o: { before?: number | undefined; limit: number }): Promise<RecordedSigningKey[]>;
  find(kid: string): Promise<RecordedSigningKey | undefined>;
  /** Stores a key. Of several with one sequence the first one gets in; false for the others. */
  add(key: NewSigningKey): Promise<boolean>;
  /** Lets a key sign from `now` on. False when its turn is no longer at `from`, or it is retired. */
  activate(o: { kid: string; from: Date; now: Date }): Promise<boolean>;
  /** Ends a key and forgets its private part. False when that was done before. */
  retire(o: { kid: string; now: Date }): Promise<boolean>;
  /** Lets keys that are not retired stay published for longer after their turn; never for less. */
  raiseOverlap(overlapSeconds: number): Promise<void>;
};

/** Keys that sign tokens. The private part is encrypted, and removed when a key is retired. */
export function createSigningKeyStore({ prisma }: Database, envelope: Envelope): SigningKeyStore {
  return {
    load: async () => {
      // In this order: whoever sees an old sequence and new keys is refused at `add`, and the other way round is not seen.
      const { _max } = await prisma.signingKey.aggregate({ _max: { sequence: true } });
      const rows = await prisma.signingKey.findMany({ where: { retiredAt: null }, orderBy: { sequence: 'asc' } });
      const keys = rows.map((row) => ({ ...recorded(row), jwk: openKey(row, envelope) }));
      return { keys, lastSequence: _max.sequence ?? 0 };
    },
    list: async ({ before, limit }) => {
      const rows = await prisma.signingKey.findMany({
        where: { ...(before !== undefined && { sequence: { lt: before } }) },
        orderBy: { sequence: 'desc' },
        take: limit,
      });
      return rows.map(recorded);
    },
    find: async (kid) => {
      const row = await prisma.signingKey.findUnique({ where: { id: kid } });
      return row ? recorded(row) : undefined;
    },
    add: async ({ jwk, sequence, activatesAt, overlapSeconds, now }) => {
      const { kid, alg } = jwk;
      const sealedKey = envelope.seal(JSON.stringify(jwk), signingKeyPlace(kid));
      try {
        await prisma.signingKey.create({
          data: { id: kid, alg, sealedKey, sequence, createdAt: now, activatesAt, overlapSeconds },
        });
        return true;
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        return false;
      }
    },
    activate: async ({ kid, from, now }) => {
      const { count } = await prisma.signingKey.updateMany({
        where: { id: kid, activatesAt: from, retiredAt: null },
        data: { activatesAt: now },
      });
      return count > 0;
    },
    retire: async ({ kid, now }) => {
      const { count } = await prisma.signingKey.updateMany({
        where: { id: kid, retiredAt: null },
        data: { retiredAt: now, sealedKey: null },
      });
      return count > 0;
    },
    raiseOverlap: async (overlapSeconds) => {
      await prisma.signingKey.updateMany({
        where: { retiredAt: null, overlapSeconds: { lt: overlapSeconds } },
        data: { overlapSeconds },
      });
    },
  };
}

/** Where a sealed signing key belongs. */
export function signingKeyPlace(kid: string): string {
  return `SigningKey/${kid}`;
}

function openKey({ id, sealedKey }: KeyRow, envelope: Envelope): PrivateJwk {
  if (sealedKey === null) throw new Error(`the signing key ${id} has no private part`);
  return JSON.parse(envelope.open(sealedKey, signingKeyPlace(id)).toString()) as PrivateJwk;
}

function recorded({
  id,
  alg,
  sequence,
  createdAt,
  activatesAt,
  overlapSeconds,
  retiredAt,
}: KeyRow): RecordedSigningKey {
  return { kid: id, alg, sequence, createdAt, activatesAt, overlapSeconds, retiredAt: retiredAt ?? undefined };
}
