import { createHash } from 'node:crypto';
import { decodeJwt } from 'jose';
import { type Adapter, errors, type KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import { EARLY_PROOF_SECONDS } from './proof-of-possession.ts';

/**
 * The engine keeps DPoP proofs and client assertions that were used in one place, and has the same answers for both.
 * For a proof they would be wrong: `invalid_grant` makes a client throw its tokens away, and `invalid_client` its
 * registration. It also forgets a proof five minutes after its use, when one that came early can be used again.
 */
export function usedProofs(adapter: Adapter): Pick<Adapter, 'upsert'> {
  return {
    async upsert(id, payload, expiresIn) {
      if (!isProof(Provider.ctx, id)) return adapter.upsert(id, payload, expiresIn);
      const { exp } = payload;
      const longer = { ...payload, ...(exp !== undefined && { exp: exp + EARLY_PROOF_SECONDS }) };
      try {
        return await adapter.upsert(id, longer, expiresIn && expiresIn + EARLY_PROOF_SECONDS);
      } catch (error) {
        // What the store throws when another request, perhaps on another replica, came first.
        if (error instanceof errors.InvalidClientAuth) throw usedBefore();
        throw error;
      }
    },
  };
}

function usedBefore(): Error {
  return new errors.InvalidDpopProof('the DPoP proof was used before: make a new one for each request');
}

/** Whether an identifier is that of the proof of this request. The engine makes it of the client and the `jti`. */
function isProof(ctx: KoaContextWithOIDC | undefined, id: string): boolean {
  const proof = ctx?.get('DPoP');
  const clientId = ctx?.oidc.client?.clientId;
  if (!proof || clientId === undefined) return false;
  return (
    createHash('sha256')
      .update(`${clientId}${identifierOf(proof)}`)
      .digest('base64url') === id
  );
}

function identifierOf(proof: string): string | undefined {
  try {
    return decodeJwt(proof).jti;
  } catch {
    return undefined;
  }
}
