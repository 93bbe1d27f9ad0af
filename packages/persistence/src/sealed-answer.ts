import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

const VERSION = 'v1';
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts the answer to a refresh under a key that is derived from the refresh token's own value (HKDF with SHA-256 and a
 * random salt, AES-256-GCM): whoever reads the database, or has the master key as well, cannot read it; whoever has the
 * token was meant to get it. The form is `v1.<base64url of salt, nonce, ciphertext and tag>`.
 */
export function sealAnswer(answer: string, { value, id }: { value: string; id: string }): string {
  const [salt, nonce] = [randomBytes(SALT_BYTES), randomBytes(NONCE_BYTES)];
  const cipher = createCipheriv('aes-256-gcm', keyFor(value, salt), nonce).setAAD(placeOf(id));
  const sealed = [salt, nonce, cipher.update(answer), cipher.final(), cipher.getAuthTag()];
  return `${VERSION}.${Buffer.concat(sealed).toString('base64url')}`;
}

/** Decrypts what {@link sealAnswer} made. @throws {Error} when it was changed, or belongs to another token */
export function openAnswer(sealed: string, { value, id }: { value: string; id: string }): string {
  const [version, text = ''] = sealed.split('.');
  if (version !== VERSION) throw new Error('the sealed answer has an unknown form');
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < SALT_BYTES + NONCE_BYTES + TAG_BYTES) throw new Error('the sealed answer is too short');
  const nonce = bytes.subarray(SALT_BYTES, SALT_BYTES + NONCE_BYTES);
  const options = { authTagLength: TAG_BYTES };
  const decipher = createDecipheriv('aes-256-gcm', keyFor(value, bytes.subarray(0, SALT_BYTES)), nonce, options)
    .setAAD(placeOf(id))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  const plain = [decipher.update(bytes.subarray(SALT_BYTES + NONCE_BYTES, -TAG_BYTES)), decipher.final()];
  return Buffer.concat(plain).toString();
}

/** As key objects: Node's crypto goes about twice as long a way with keys in buffers. */
function keyFor(value: string, salt: Uint8Array): KeyObject {
  const key = hkdfSync('sha256', createSecretKey(value, 'utf8'), salt, 'portcullis refresh answer', 32);
  return createSecretKey(Buffer.from(key));
}

function placeOf(id: string): Buffer {
  return Buffer.from(`RefreshToken/${id}/sealedAnswer`);
}
