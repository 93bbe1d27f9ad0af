import { base64url } from 'jose';
import { sha256 } from './digest.ts';

const PREFIX = 'pct_';
const RANDOM_BYTES = 32;
const FORM = /^pct_[A-Za-z0-9_-]{49}$/;
const CHECKSUM_CHARACTERS = 6;

/**
 * Writes a personal access token: `pct_`, 256 random bits in base64url, and six characters by which a string that was
 * mistyped, cut off or made up is told apart without asking anybody. The checksum is no secret and protects nothing.
 *
 * @param random 32 bytes of a cryptographic random source
 * @throws RangeError for another number of bytes
 */
export async function formatPersonalAccessToken(random: Uint8Array): Promise<string> {
  if (random.byteLength !== RANDOM_BYTES) throw new RangeError('a personal access token is made of 32 random bytes');
  const body = PREFIX + base64url.encode(random);
  return body + (await checksumOf(body));
}

/**
 * Whether a string has the form of a personal access token and its checksum is right. Not checked: whether there is
 * such a token, which only its issuer knows.
 */
export async function isPersonalAccessToken(token: string): Promise<boolean> {
  if (!FORM.test(token)) return false;
  const body = token.slice(0, -CHECKSUM_CHARACTERS);
  return token.slice(-CHECKSUM_CHARACTERS) === (await checksumOf(body));
}

async function checksumOf(body: string): Promise<string> {
  return (await sha256(body)).slice(0, CHECKSUM_CHARACTERS);
}
