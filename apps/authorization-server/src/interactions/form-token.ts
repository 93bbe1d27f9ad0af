import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/**
 * Ties a form to what it decides: one interaction and step, or one link. The token survives a page that is loaded
 * twice, and means nothing for any other form.
 */
export type FormTokens = {
  issue(...subject: readonly string[]): string;
  verify(token: unknown, ...subject: readonly string[]): boolean;
};

/** Makes form tokens from a 32-byte key; with the keys before it, tokens are verified but not made. */
export function createFormTokens(key: Buffer, ...previous: readonly Buffer[]): FormTokens {
  const current = createSecretKey(key);
  const before = previous.map((secret) => createSecretKey(secret));
  const tokenWith = (secret: KeyObject, subject: readonly string[]) =>
    createHmac('sha256', secret).update(JSON.stringify(subject)).digest('base64url');
  return {
    issue: (...subject) => tokenWith(current, subject),
    verify(token, ...subject) {
      if (typeof token !== 'string') return false;
      const given = Buffer.from(token);
      return [current, ...before].some((secret) => {
        const expected = Buffer.from(tokenWith(secret, subject));
        return given.length === expected.length && timingSafeEqual(given, expected);
      });
    },
  };
}
