import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

/** Encrypts what must be read back. */
export type Envelope = {
  /**
   * Encrypts. Only {@link Envelope.open} with the same associated data reads it again.
   *
   * @param associatedData says where the value belongs, such as table and key, so that it cannot be moved elsewhere
   */
  seal(plain: Uint8Array | string, associatedData: string): string;
  /** Decrypts. @throws {Error} when the value was changed, moved, or encrypted under another key */
  open(sealed: string, associatedData: string): Buffer;
};

const version = 'v1';
/** How long the salt is that a key of one value is derived with. */
export const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Derives a key for one purpose (HKDF with SHA-256, RFC 5869): 32 bytes that tell nothing of the master key or of other purposes.
 */
export function deriveKey(master: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', master, 'portcullis', purpose, 32));
}

/**
 * Derives a key for one value from a secret of its own (HKDF with SHA-256), as a key object: with keys in buffers Node's
 * crypto goes about twice as long a way.
 */
export function deriveKeyOfValue(secret: string, { salt, purpose }: { salt: Uint8Array; purpose: string }): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', createSecretKey(secret, 'utf8'), salt, purpose, 32)));
}

/** AES-256-GCM with a random nonce. @returns nonce, ciphertext and tag, one behind the other */
export function encrypt(key: KeyObject | Buffer, plain: Uint8Array | string, associatedData: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(associatedData));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts what {@link encrypt} made. @throws {Error} when it was changed, moved, or encrypted under another key */
export function decrypt(key: KeyObject | Buffer, sealed: Uint8Array, associatedData: string): Buffer {
  if (sealed.length < nonceBytes + tagBytes) throw new Error('the sealed value is too short');
  const nonce = sealed.subarray(0, nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(associatedData))
    .setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]);
}

/** A value is sealed under a master key that is not given. */
export class UnknownMasterKey extends Error {
  constructor() {
    super('the value is sealed under another master key');
  }
}

/** Names a master key in what is sealed under it, and tells nothing of it. */
function envelopeKeyId(master: Buffer): string {
  return deriveKey(master, 'envelope key id').subarray(0, 6).toString('base64url');
}

/** What everything begins with that is sealed under a master key. */
export function sealedPrefix(master: Buffer): string {
  return `${version}.${envelopeKeyId(master)}.`;
}

/**
 * AES-256-GCM under the master key; what is sealed under a previous one can still be opened. The form is `v1.<key id>.<base64url of salt, nonce, ciphertext and tag>`.
 *
 * Each value has a key of its own, derived with a random salt: a single key would be safe for no more than 2^32 random nonces.
 */
export function createEnvelope(master: Buffer, ...previous: readonly Buffer[]): Envelope {
  const keyId = envelopeKeyId(master);
  const roots = new Map(
    [master, ...previous].map((key) => [envelopeKeyId(key), createSecretKey(deriveKey(key, 'envelope'))]),
  );
  const keyFor = (sealedUnder: string, salt: Uint8Array) => {
    const root = roots.get(sealedUnder);
    if (!root) throw new UnknownMasterKey();
    return createHmac('sha256', root).update(salt).digest();
  };

  return {
    seal: (plain, associatedData) => {
      const salt = randomBytes(saltBytes);
      const sealed = [salt, encrypt(keyFor(keyId, salt), plain, associatedData)];
      return `${version}.${keyId}.${Buffer.concat(sealed).toString('base64url')}`;
    },
    open: (sealed, associatedData) => {
      const [form, sealedUnder = '', text] = sealed.split('.');
      if (form !== version || text === undefined) throw new Error('the sealed value has an unknown form');
      if (!roots.has(sealedUnder)) throw new UnknownMasterKey();
      const bytes = Buffer.from(text, 'base64url');
      return decrypt(keyFor(sealedUnder, bytes.subarray(0, saltBytes)), bytes.subarray(saltBytes), associatedData);
    },
  };
}
