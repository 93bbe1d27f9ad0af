import type { PrivateJwk } from '@portcullis/persistence';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';

/** Makes a signing key, named by its thumbprint (RFC 7638). */
export async function createSigningKey(algorithm: string): Promise<PrivateJwk> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm };
}
