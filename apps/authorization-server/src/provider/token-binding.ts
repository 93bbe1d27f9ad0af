import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider';
// biome-ignore lint/style/noRestrictedImports: grants of our own need what the engine's are made of (decision 22)
import { checkDpopReplay, checkDpopRequired, checkMtlsCert, validateDpop } from 'oidc-provider/lib/helpers/grants.js';

/** A token that can be bound to a key or certificate. */
type Bindable = InstanceType<Provider['AccessToken']>;

/** What the client of a token request has proven to hold, for a grant of our own. */
export type TokenBinding = {
  /** Thumbprint of the key of its DPoP proof. */
  proofKey: string | undefined;
  /** Whether a token would be bound to anything. */
  binds: boolean;
  /** Uses the proof up, and binds a token to what was proven. @throws {errors.InvalidDpopProof} when it was used before */
  bind(token: Bindable): Promise<void>;
};

/**
 * Verifies the DPoP proof and the client certificate of a token request, as the engine's own grants do (RFC 9449,
 * RFC 8705). It offers these checks to nobody else: this is the one place that imports what is private to it (decision 22).
 *
 * @throws {errors.OIDCProviderError} when a proof is wrong, or one is missing that the client has bound itself to
 */
export async function tokenBindingOf(provider: Provider, ctx: KoaContextWithOIDC): Promise<TokenBinding> {
  const proof = await validateDpop(provider, ctx);
  checkDpopRequired(provider, ctx, proof);
  const certificate = checkMtlsCert(provider, ctx);
  const { clientId } = ctx.oidc.client ?? {};
  return {
    proofKey: proof?.thumbprint,
    binds: proof !== undefined || certificate !== undefined,
    async bind(token) {
      if (certificate !== undefined) token.setThumbprint('x5t', certificate);
      if (!proof || clientId === undefined) return;
      await checkDpopReplay(provider, ctx, proof, clientId);
      token.setThumbprint('jkt', proof.thumbprint);
    },
  };
}
