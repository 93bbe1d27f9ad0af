import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CommandFailure } from './failure.ts';

/** Reads public keys from a file: PEM, one JWK, or a set of them. A private key is refused, not stripped. */
export function readPublicKeys(file: string): { keys: Record<string, unknown>[] } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CommandFailure('usage', `${file} cannot be read.`, { cause });
  }
  if (/PRIVATE KEY/.test(text) || /"d"\s*:/.test(text)) {
    throw new CommandFailure('usage', `${file} holds a private key. Keep that, and give the public one.`);
  }
  try {
    if (!text.trimStart().startsWith('{')) return { keys: [{ ...createPublicKey(text).export({ format: 'jwk' }) }] };
    const json: unknown = JSON.parse(text);
    const keys = typeof json === 'object' && json !== null && 'keys' in json ? json.keys : [json];
    if (!Array.isArray(keys)) throw new TypeError('no list of keys');
    return { keys };
  } catch (cause) {
    throw new CommandFailure('usage', `${file} holds no public key: PEM, JWK or JWKS.`, { cause });
  }
}
