import { randomUUID } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import type { DocumentOrigin } from '../../../src/index.ts';
import { answerJson } from '../../../src/index.ts';

/** What spoils an assertion: members over the good ones (undefined takes one away), another key, or none. */
export type AssertionChanges = {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
};

/** An enterprise identity provider, as far as an authorization server sees it: its documents and its assertions. */
export type IdentityProvider = {
  issuer: string;
  jwksUri: string;
  /** The public key in PEM, which an attacker takes for a shared secret. */
  publicPem: string;
  publicJwk: Record<string, unknown>;
  /** An assertion that is right in all respects but for `changes`. */
  assert(good: Record<string, unknown>, changes?: AssertionChanges): Promise<string>;
};

/** Makes one whose documents stand at `origin`. */
export async function createIdentityProvider(origin: DocumentOrigin, issuer: string): Promise<IdentityProvider> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: randomUUID(), alg: 'RS256', use: 'sig' };
  const jwksUri = `${issuer}/keys`;
  origin.set(jwksUri, answerJson({ keys: [publicJwk] }));
  origin.set(`${issuer}/.well-known/openid-configuration`, answerJson({ issuer, jwks_uri: jwksUri }));
  return {
    issuer,
    jwksUri,
    publicPem: await exportSPKI(publicKey),
    publicJwk,
    assert(good, { header, claims, key = privateKey } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const times = { iat: now, exp: now + 300, jti: randomUUID() };
      return new SignJWT({ iss: issuer, ...times, ...good, ...claims })
        .setProtectedHeader({ alg: 'RS256', typ: 'oauth-id-jag+jwt', kid: publicJwk.kid, ...header })
        .sign(key);
    },
  };
}
