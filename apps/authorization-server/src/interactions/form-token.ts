import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Ties a form to what it decides: one interaction and step, or one link. The token survives a page that is loaded
 * twice, and means nothing for any other form.
 */
export type FormTokens = {
  issue(...subject: readonly string[]): string;
  verify(token: unknown, ...subject: readonly string[]): boolean;
};

/** Makes form tokens from a 32-byte key. */
export function createFormTokens(key: Buffer): FormTokens {
  const issue = (...subject: readonly string[]) =>
    createHmac('sha256', key).update(JSON.stringify(subject)).digest('base64url');
  return {
    issue,
    verify(token, ...subject) {
      if (typeof token !== 'string') return false;
      const given = Buffer.from(token);
      const expected = Buffer.from(issue(...subject));
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}
