import type { Database } from './database.ts';
import { hashToken } from './token-hash.ts';

/** What a consent is remembered for (SP-16). Another redirect URI, resource or client is another consent. */
export type ConsentSubject = {
  userId: string;
  clientId: string;
  resource: string;
  redirectUri: string;
  /** What of the client's metadata document was agreed to: with another one the user is asked again (AS-35). */
  clientFingerprint?: string | undefined;
};

export type ConsentStore = {
  /** The scopes that the user agreed to, unless that has expired. */
  find(o: ConsentSubject & { now: Date }): Promise<{ scopes: string[] } | undefined>;
  /** Remembers the scopes in place of what was remembered, for at most 90 days (7,776,000 seconds). */
  remember(o: ConsentSubject & { scopes: readonly string[]; now: Date; ttlSeconds: number }): Promise<void>;
  /** Forgets all that the user agreed to for this client: everywhere, or at one resource. */
  forget(o: { userId: string; clientId: string; resource?: string }): Promise<void>;
};

const maximumTtlSeconds = 90 * 24 * 60 * 60;

/** Remembered consents. */
export function createConsentStore({ prisma }: Database): ConsentStore {
  return {
    find: async ({ now, ...subject }) => {
      const row = await prisma.consent.findUnique({ where: { id: idOf(subject) } });
      if (!row || row.expiresAt <= now) return undefined;
      return { scopes: row.scopes === '' ? [] : row.scopes.split(' ') };
    },
    remember: async ({ userId, clientId, resource, redirectUri, clientFingerprint, scopes, now, ttlSeconds }) => {
      const subject = { userId, clientId, resource, redirectUri };
      const id = idOf({ ...subject, clientFingerprint });
      const expiresAt = new Date(now.getTime() + Math.min(ttlSeconds, maximumTtlSeconds) * 1000);
      const decision = { scopes: scopes.join(' '), createdAt: now, expiresAt };
      await prisma.consent.upsert({ where: { id }, create: { id, ...subject, ...decision }, update: decision });
    },
    forget: async ({ userId, clientId, resource }) => {
      await prisma.consent.deleteMany({ where: { userId, clientId, ...(resource !== undefined && { resource }) } });
    },
  };
}

/** A redirect URI may be longer than a database's index takes. */
function idOf({ userId, clientId, resource, redirectUri, clientFingerprint }: ConsentSubject): string {
  const parts = [userId, clientId, resource, redirectUri];
  return hashToken(JSON.stringify(clientFingerprint === undefined ? parts : [...parts, clientFingerprint]));
}
