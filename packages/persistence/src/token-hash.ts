import { createHash, timingSafeEqual } from 'node:crypto';

/** SHA-256 in base64url (43 characters): under this the database knows a value that whoever holds it may use. */
export function hashToken(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}

/**
 * What is stored of a client secret. The secrets are random (256 bits), so one hash without a salt is enough.
 * The engine's adapter returns it as `client_secret`: compare with {@link clientSecretMatches}, never with `===`.
 */
export function hashClientSecret(secret: string): string {
  return hashToken(`client-secret:${secret}`);
}

/** Whether `presented` is the secret with this hash, in constant time. */
export function clientSecretMatches(storedHash: string, presented: string): boolean {
  const stored = Buffer.from(storedHash);
  const candidate = Buffer.from(hashClientSecret(presented));
  return stored.length === candidate.length && timingSafeEqual(stored, candidate);
}
