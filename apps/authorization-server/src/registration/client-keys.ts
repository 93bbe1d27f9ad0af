import { createPublicKey } from 'node:crypto';
import { fetchTarget } from '../egress/fetch-target.ts';

/** Parts of a public key that are kept; whatever else a client sends along is not. */
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'use', 'alg'];
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];
const MAX_KEYS = 10;
const MAX_MEMBER_LENGTH = 2048;

/** A public key in the form of RFC 7517. */
type PublicJwk = { kty: string } & Record<string, string>;

/** The keys that a client signs with, or what is wrong with them. */
export type ClientKeysResult =
  | { ok: true; members: { jwks: { keys: PublicJwk[] } } | { jwks_uri: string } }
  | { ok: false; description: string };

/**
 * Reads the keys of a registration: `jwks` with public keys that can be used, and nothing of a private one, or a
 * `jwks_uri` from which they may be fetched later (RFC 7591 §2: one of the two, not both).
 */
export function readClientKeys(
  { jwks, jwks_uri: uri }: Readonly<Record<string, unknown>>,
  { fetchPorts }: { fetchPorts: readonly number[] },
): ClientKeysResult {
  const isGiven = (member: unknown) => member !== undefined && member !== null && member !== '';
  if (isGiven(jwks) && isGiven(uri)) return refuse('send jwks or jwks_uri, not both');
  return isGiven(uri) ? readKeysUri(uri, fetchPorts) : readKeys(jwks);
}

function readKeysUri(uri: unknown, fetchPorts: readonly number[]): ClientKeysResult {
  const target = typeof uri === 'string' ? fetchTarget(uri, { ports: fetchPorts, trusted: [] }) : undefined;
  if (!target) return refuse('jwks_uri must be an https URL on a public host, by name and on port 443');
  return { ok: true, members: { jwks_uri: target.href } };
}

function readKeys(jwks: unknown): ClientKeysResult {
  const list: unknown = isObject(jwks) ? jwks.keys : undefined;
  if (!Array.isArray(list) || list.length === 0)
    return refuse(
      'jwks must hold the public keys that private_key_jwt is verified with, or jwks_uri name where they are',
    );
  if (list.length > MAX_KEYS) return refuse(`jwks.keys may list at most ${MAX_KEYS} keys`);
  const keys: PublicJwk[] = [];
  for (const [index, entry] of list.entries()) {
    const result = readKey(entry);
    if (typeof result === 'string') return refuse(`jwks.keys[${index}] ${result}`);
    keys.push(result);
  }
  return { ok: true, members: { jwks: { keys } } };
}

function readKey(entry: unknown): PublicJwk | string {
  if (!isObject(entry)) return 'must be an object';
  const secret = PRIVATE_MEMBERS.find((member) => member in entry);
  if (secret !== undefined) return `must not hold the private member ${secret}`;
  const { kty, ...members } = Object.fromEntries(
    PUBLIC_MEMBERS.flatMap((member) => {
      const value = entry[member];
      return typeof value === 'string' && value.length <= MAX_MEMBER_LENGTH ? [[member, value]] : [];
    }),
  );
  const jwk = { ...members, kty: kty ?? '' };
  return isPublicKey(jwk) ? jwk : 'must be a public key of type EC, RSA or OKP';
}

function isPublicKey(jwk: PublicJwk): boolean {
  if (Object.values(jwk).some((value) => !/^[\x20-\x7e]*$/.test(value))) return false;
  try {
    createPublicKey({ key: jwk, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(description: string): ClientKeysResult {
  return { ok: false, description };
}
