import type { JsonWebKey } from 'node:crypto';
import { type Database, isUniqueViolation } from './database.ts';
import type { Envelope } from './envelope.ts';

/** A private JWK with the members that a key set needs (RFC 7517). */
export type PrivateJwk = JsonWebKey & { kid: string; alg: string };

export type SigningKey = { kid: string; alg: string; jwk: PrivateJwk; createdAt: Date };

export type SigningKeyStore = {
  /** All keys, the oldest first. */
  list(): Promise<SigningKey[]>;
  /** Makes and stores a key when there is none. Of several replicas that start at once one stores its key. */
  addFirst(make: () => Promise<PrivateJwk>, now: Date): Promise<void>;
};

/** Keys that sign tokens. The private part is encrypted. */
export function createSigningKeyStore({ prisma }: Database, envelope: Envelope): SigningKeyStore {
  const place = (kid: string) => `SigningKey/${kid}`;

  return {
    list: async () => {
      const rows = await prisma.signingKey.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] });
      return rows.map(({ id, alg, sealedKey, createdAt }) => ({
        kid: id,
        alg,
        jwk: JSON.parse(envelope.open(sealedKey, place(id)).toString()) as PrivateJwk,
        createdAt,
      }));
    },
    addFirst: async (make, now) => {
      if ((await prisma.signingKey.count()) > 0) return;
      const jwk = await make();
      const sealedKey = envelope.seal(JSON.stringify(jwk), place(jwk.kid));
      try {
        await prisma.signingKey.create({
          data: { id: jwk.kid, alg: jwk.alg, sealedKey, initial: true, createdAt: now, activatedAt: now },
        });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
      }
    },
  };
}
