import type { Database } from './database.ts';
import type { Consent } from './generated/postgresql/client.ts';
import { CONSENT_BY_ID } from './statements/lookups.ts';
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
  find(o: ConsentSubject & { now: Date }): Promise<{ scopes: string[]; upstreamScopes: string[] } | undefined>;
  /**
   * Remembers the scopes in place of what was remembered, for at most 90 days (7,776,000 seconds). `upstreamScopes` are
   * those of the upstream that the page named beside them.
   */
  remember(
    o: ConsentSubject & {
      scopes: readonly string[];
      upstreamScopes?: readonly string[];
      now: Date;
      ttlSeconds: number;
    },
  ): Promise<void>;
  /** Forgets all that the user agreed to for this client, everywhere or at one resource. @returns whether there was any */
  forget(o: { userId: string; clientId: string; resource?: string }): Promise<boolean>;
};

const maximumTtlSeconds = 90 * 24 * 60 * 60;

/** Remembered consents. */
export function createConsentStore({ prisma, statements }: Database): ConsentStore {
  return {
    find: async ({ now, ...subject }) => {
      const [row] = await statements.run<Pick<Consent, 'scopes' | 'upstreamScopes' | 'expiresAt'>>(
        CONSENT_BY_ID,
        idOf(subject),
      );
      if (!row || row.expiresAt <= now) return undefined;
      return { scopes: split(row.scopes), upstreamScopes: split(row.upstreamScopes) };
    },
    remember: async ({ clientFingerprint, scopes, upstreamScopes = [], now, ttlSeconds, ...decided }) => {
      const { userId, clientId, resource, redirectUri } = decided;
      const subject = { userId, clientId, resource, redirectUri };
      const id = idOf({ ...subject, clientFingerprint });
      const expiresAt = new Date(now.getTime() + Math.min(ttlSeconds, maximumTtlSeconds) * 1000);
      const [granted, upstream] = [scopes.join(' '), upstreamScopes.join(' ')];
      const decision = { scopes: granted, upstreamScopes: upstream, createdAt: now, expiresAt };
      await prisma.consent.upsert({ where: { id }, create: { id, ...subject, ...decision }, update: decision });
    },
    forget: async ({ userId, clientId, resource }) => {
      const where = { userId, clientId, ...(resource !== undefined && { resource }) };
      return (await prisma.consent.deleteMany({ where })).count > 0;
    },
  };
}

function split(scopes: string): string[] {
  return scopes === '' ? [] : scopes.split(' ');
}

/** A redirect URI may be longer than a database's index takes. */
function idOf({ userId, clientId, resource, redirectUri, clientFingerprint }: ConsentSubject): string {
  const parts = [userId, clientId, resource, redirectUri];
  return hashToken(JSON.stringify(clientFingerprint === undefined ? parts : [...parts, clientFingerprint]));
}
