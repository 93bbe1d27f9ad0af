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

const separator = '.';

/** Two hashes where either secret is good: while a rotation's overlap lasts. */
export function joinSecretHashes(current: string, previous: string): string {
  return `${current}${separator}${previous}`;
}

/** Whether `presented` is the secret with this hash, or with one of several, in constant time for each. */
export function clientSecretMatches(storedHash: string, presented: string): boolean {
  const candidate = Buffer.from(hashClientSecret(presented));
  return storedHash.split(separator).some((hash) => {
    const stored = Buffer.from(hash);
    return stored.length === candidate.length && timingSafeEqual(stored, candidate);
  });
}
