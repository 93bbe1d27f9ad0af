import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose';
import { type AdapterPayload, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { ResourceCatalogue } from '../resource-catalogue.ts';
import type { Resource } from '../resources.ts';

/** The algorithms that DPoP proofs may have. */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256'] as const;

/** How far ahead of our clock a proof's may be. The engine alone would take five minutes. */
const AHEAD_SECONDS = 60;

/** How much longer than the engine thinks a proof has to be remembered, because it may have come early. */
export const EARLY_PROOF_SECONDS = AHEAD_SECONDS;

/** How the engine is to take DPoP proofs (RFC 9449). The nonces come from the secret alone: all replicas know them. */
export function dpopFeature({ nonceSecret, requireNonce }: { nonceSecret: Buffer; requireNonce: boolean }) {
  return { enabled: true, nonceSecret, requireNonce: () => requireNonce };
}

/**
 * Refuses a token request that could only end in a token that its resource would not take, or that comes with a proof
 * that the engine would turn down too late: after the code is gone.
 *
 * The engine has verified the proof by the time that it looks for the code, refresh token or resource.
 */
export async function refuseUnproven(
  ctx: KoaContextWithOIDC,
  { stored, catalogue, now }: { stored: AdapterPayload; catalogue: ResourceCatalogue; now: Date },
): Promise<void> {
  refuseEarlyProof(ctx, now);
  const identifier: unknown = ctx.oidc.params?.resource ?? [stored.resource].flat()[0];
  const resource = typeof identifier === 'string' ? await catalogue.find(identifier) : undefined;
  if (resource) refuseUnbound(ctx, resource);
  await refuseForeignKey(ctx, stored.dpopJkt);
}

/**
 * Refuses to issue a token that is bound to nothing for a resource that demands more.
 * @throws {errors.InvalidRequest} in words that say what to send
 */
export function refuseUnbound(ctx: KoaContextWithOIDC, { proofOfPossession }: Resource): void {
  switch (proofOfPossession) {
    case undefined:
      return;
    case 'dpop':
      if (ctx.get('DPoP') !== '') return;
      throw new errors.InvalidRequest('tokens for this resource are bound to a key: send a DPoP proof (RFC 9449)');
    case 'certificate':
      // The engine takes no request of such a client without a certificate.
      if (ctx.oidc.client?.tlsClientCertificateBoundAccessTokens) return;
      throw new errors.InvalidRequest(
        'tokens for this resource are bound to a certificate: register the client with tls_client_certificate_bound_access_tokens (RFC 8705)',
      );
  }
}

/** A nonce says when a proof was made; without one its own word counts, and a proof of tomorrow waits to be stolen. */
export function refuseEarlyProof(ctx: KoaContextWithOIDC, now: Date): void {
  const proof = ctx.get('DPoP');
  if (proof === '') return;
  const { iat = 0, nonce } = decodeJwt(proof);
  if (nonce === undefined && iat > now.getTime() / 1000 + AHEAD_SECONDS) {
    throw new errors.InvalidDpopProof('the DPoP proof is from the future: check the clock');
  }
}

async function refuseForeignKey(ctx: KoaContextWithOIDC, expected: unknown): Promise<void> {
  if (typeof expected !== 'string') return;
  const proof = ctx.get('DPoP');
  if (proof === '') throw new errors.InvalidGrant('the code is bound to a key: send a DPoP proof');
  const { jwk } = decodeProtectedHeader(proof);
  if (jwk === undefined || (await calculateJwkThumbprint(jwk)) !== expected) {
    throw new errors.InvalidGrant('the DPoP proof is of another key than the code is bound to');
  }
}
