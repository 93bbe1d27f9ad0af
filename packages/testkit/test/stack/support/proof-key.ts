import { createHash, randomUUID } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** The request that a proof is made for, and what it is spoilt with. */
export type ProofOptions = {
  url: string;
  method?: string;
  /** The access token that it goes with. */
  token?: string;
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
};

/** The DPoP key of a client (RFC 9449). */
export type ProofKey = {
  thumbprint: string;
  publicJwk: JWK;
  privateJwk: JWK;
  /** Signs a proof that is right but for what `options` spoil; a claim or header member of undefined is left out. */
  prove(options: ProofOptions): Promise<string>;
};

/** Makes one. */
export async function createProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return {
    thumbprint: await calculateJwkThumbprint(publicJwk),
    publicJwk,
    privateJwk: await exportJWK(privateKey),
    prove({ url, method = 'POST', token, header, claims, key = privateKey }) {
      const good = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000) };
      const ath = token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') };
      return new SignJWT({ ...good, ...ath, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicJwk, ...header })
        .sign(key);
    },
  };
}
