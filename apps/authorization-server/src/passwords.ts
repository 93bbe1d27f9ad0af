import argon2 from 'argon2';

/** RFC 9106's argon2id with OWASP's parameters: 19 MiB, two passes, one lane; about 25 ms on one core. */
const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Lengths that a new password may have: characters at least, UTF-8 bytes at most. */
const PASSWORD_LENGTH = { minCharacters: 10, maxBytes: 1024 } as const;

/** Why a new password is refused, in words for the person who chose it; `undefined` when it is fine. */
export function passwordProblem(password: string): string | undefined {
  if ([...password].length < PASSWORD_LENGTH.minCharacters) {
    return `Choose a password of at least ${PASSWORD_LENGTH.minCharacters} characters. A few words in a row are easy to remember.`;
  }
  if (Buffer.byteLength(password) > PASSWORD_LENGTH.maxBytes) return 'That password is too long.';
  return undefined;
}

/** Hashes a password for storage, in PHC string form. */
export function hashPassword(password: string): Promise<string> {
  return argon2.hash(password.normalize('NFC'), PARAMETERS);
}

/** Checks passwords so that an unknown user takes as long as a wrong password (SP-39). */
export type PasswordVerifier = (hash: string | undefined, password: string) => Promise<boolean>;

/** Makes a verifier; the hash that stands in for unknown users is made once, here. */
export async function createPasswordVerifier(): Promise<PasswordVerifier> {
  const decoy = await hashPassword(crypto.randomUUID());
  return async (hash, password) => {
    if (Buffer.byteLength(password) > PASSWORD_LENGTH.maxBytes) return false;
    const matches = await argon2.verify(hash ?? decoy, password.normalize('NFC'));
    return matches && hash !== undefined;
  };
}
