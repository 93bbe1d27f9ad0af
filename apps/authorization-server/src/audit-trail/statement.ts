import { createPublicKey } from 'node:crypto';
import type { ChainPosition } from '@portcullis/platform';
import { importJWK, SignJWT } from 'jose';
import type { KeySet } from '../keys/key-ring.ts';

/**
 * What this server says about its audit trail: which record stood at a place in the chain. With `firstSeq`, that the
 * records from there to that place were moved out, and the chain goes on behind them.
 */
export type ChainStatement = ChainPosition & { firstSeq?: number };

/**
 * Signs a statement with the key that signs tokens at the moment. The public key goes along, named by its thumbprint:
 * a statement is verified long after its key has left the key set.
 *
 * @returns a JWS in compact form, whose type keeps it from being taken for a token
 */
export async function signStatement(
  { seq, hash, firstSeq }: ChainStatement,
  { issuer, keySet, now }: { issuer: string; keySet: KeySet; now: Date },
): Promise<string> {
  const { kid, alg } = keySet.signing(now);
  const key = keySet.keys.find((each) => each.kid === kid);
  if (!key) throw new TypeError('the key that signs is in no key set');
  const { kty, crv, x, y, n, e } = createPublicKey({ key: { ...key }, format: 'jwk' }).export({ format: 'jwk' });
  return new SignJWT({ seq, hash, ...(firstSeq !== undefined && { firstSeq }) })
    .setProtectedHeader({ typ: 'portcullis-audit+jwt', alg, kid, jwk: definedOf({ kty, crv, x, y, n, e }) })
    .setIssuer(issuer)
    .setIssuedAt(now)
    .sign(await importJWK(key, alg));
}

function definedOf(members: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
