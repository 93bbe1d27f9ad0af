/** What the engine's own grants are made of. It is no public interface: see decision 22. */
declare module 'oidc-provider/lib/helpers/grants.js' {
  import type { X509Certificate } from 'node:crypto';
  import type { KoaContextWithOIDC, Provider } from 'oidc-provider';

  type Proof = { thumbprint: string; jti: string };

  /** Verifies the request's DPoP proof; undefined where there is none. @throws {errors.InvalidDpopProof} */
  export function validateDpop(provider: Provider, ctx: KoaContextWithOIDC): Promise<Proof | undefined>;
  /** Uses a proof up. @throws {errors.InvalidGrant} when it was used before */
  export function checkDpopReplay(
    provider: Provider,
    ctx: KoaContextWithOIDC,
    proof: Proof,
    clientId: string,
  ): Promise<void>;
  /** @throws {errors.InvalidGrant} when the client has bound itself to proofs, and sent none */
  export function checkDpopRequired(provider: Provider, ctx: KoaContextWithOIDC, proof: Proof | undefined): void;
  /** The certificate that the client has bound itself to. @throws {errors.InvalidGrant} when it showed none */
  export function checkMtlsCert(provider: Provider, ctx: KoaContextWithOIDC): string | X509Certificate | undefined;
}
