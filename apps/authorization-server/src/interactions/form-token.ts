import { keyedDigest } from '../keys/keyed-digest.ts';

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
  const current = keyedDigest(key);
  const all = [current, ...previous.map(keyedDigest)];
  return {
    issue: (...subject) => current.of(JSON.stringify(subject)),
    verify: (token, ...subject) =>
      typeof token === 'string' && all.some((digest) => digest.matches(JSON.stringify(subject), token)),
  };
}
