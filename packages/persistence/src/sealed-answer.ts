import { randomBytes } from 'node:crypto';
import { decrypt, deriveKeyOfValue, encrypt, saltBytes } from './envelope.ts';

const VERSION = 'v1';

/**
 * Encrypts the answer to a refresh under a key that is derived from the refresh token's own value and a random salt:
 * whoever reads the database, or has the master key as well, cannot read it; whoever has the token was meant to get it. The
 * form is `v1.<base64url of salt, nonce, ciphertext and tag>`.
 */
export function sealAnswer(answer: string, { value, id }: { value: string; id: string }): string {
  const salt = randomBytes(saltBytes);
  const sealed = [salt, encrypt(keyOf(value, salt), answer, placeOf(id))];
  return `${VERSION}.${Buffer.concat(sealed).toString('base64url')}`;
}

/** Decrypts what {@link sealAnswer} made. @throws {Error} when it was changed, or belongs to another token */
export function openAnswer(sealed: string, { value, id }: { value: string; id: string }): string {
  const [version, text = ''] = sealed.split('.');
  if (version !== VERSION) throw new Error('the sealed answer has an unknown form');
  const bytes = Buffer.from(text, 'base64url');
  return decrypt(keyOf(value, bytes.subarray(0, saltBytes)), bytes.subarray(saltBytes), placeOf(id)).toString();
}

function keyOf(value: string, salt: Uint8Array) {
  return deriveKeyOfValue(value, { salt, purpose: 'portcullis refresh answer' });
}

function placeOf(id: string): string {
  return `RefreshToken/${id}/sealedAnswer`;
}
