import { createHash, randomUUID } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { NOON, RESOURCE } from './issuer.ts';

/** What a proof can be spoilt with. */
export type ProofChanges = {
  token?: string;
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  at?: Date;
  key?: CryptoKey | Uint8Array;
};

/** The key of a client that proves with DPoP. */
export type ProofKey = {
  thumbprint: string;
  publicJwk: JWK;
  privateJwk: JWK;
  /** Signs a proof for a POST to `RESOURCE`; a claim or header member of undefined is left out. */
  prove(token: string, changes?: ProofChanges): Promise<string>;
};

export async function createProofKey(alg = 'ES256'): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return {
    thumbprint: await calculateJwkThumbprint(publicJwk),
    publicJwk,
    privateJwk: await exportJWK(privateKey),
    prove(token, { header, claims, at = NOON, key = privateKey } = {}) {
      const good = {
        jti: randomUUID(),
        htm: 'POST',
        htu: RESOURCE,
        iat: at.getTime() / 1000,
        ath: createHash('sha256').update(token).digest('base64url'),
      };
      return new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: publicJwk, ...header })
        .sign(key);
    },
  };
}
