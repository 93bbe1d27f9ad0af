import type { Binding } from './binding.ts';
import { sha256 } from './digest.ts';
import { type ProofRefusal, type ProofRules, verifyProof } from './dpop-proof.ts';
import type { ReplayStore } from './replay-store.ts';

/** How one request shows its token, and what came with it. */
export type Showing = Readonly<{
  scheme: 'bearer' | 'dpop';
  token: string;
  /** What the token is bound to; undefined for one that is not. */
  binding: Binding | undefined;
  /** The `DPoP` header. */
  proof: string | null;
  method: string;
  /** The URL as clients know it; asked for where there is a proof to compare with it. */
  url: () => string;
  /** The certificate that the client connected with, in DER. */
  certificate: Uint8Array<ArrayBuffer> | undefined;
  now: Date;
}>;

/** What a guard asks of them. */
export type PossessionRules = ProofRules &
  Readonly<{
    /** What every token must be bound to. */
    demanded: 'dpop' | 'certificate' | undefined;
    replays: ReplayStore;
  }>;

/**
 * Why a token is not taken from whoever shows it.
 *
 * - `bound_token`: bound to a DPoP key but shown as a bearer token
 * - `unbound_token`: shown with a proof that means nothing for it, or not bound to what this resource demands
 * - `proof_missing`: no `DPoP` header
 * - `proof_replayed`: a good proof that was used before
 * - `replays_full`: a good proof, but no room to remember it (`retryAfterSeconds`: when to ask again)
 * - `certificate_missing`, `foreign_certificate`: the client connected without a certificate, or with another one
 * - the others: see `ProofRefusal`
 */
export type PossessionRefusal =
  | ProofRefusal
  | Readonly<{
      reason:
        | 'bound_token'
        | 'unbound_token'
        | 'proof_missing'
        | 'proof_replayed'
        | 'certificate_missing'
        | 'foreign_certificate';
    }>
  | Readonly<{ reason: 'replays_full'; retryAfterSeconds: number }>;

/**
 * Judges whether whoever shows a verified token holds what it is bound to.
 *
 * @returns undefined when he does
 * @see RFC 9449 section 7, RFC 8705 section 3
 */
export async function judgePossession(
  showing: Showing,
  rules: PossessionRules,
): Promise<PossessionRefusal | undefined> {
  const { scheme, binding } = showing;
  if (binding?.dpopKey !== undefined && scheme === 'bearer') return { reason: 'bound_token' };
  if (binding?.dpopKey === undefined && scheme === 'dpop') return { reason: 'unbound_token' };
  if (rules.demanded === 'dpop' && binding?.dpopKey === undefined) return { reason: 'unbound_token' };
  if (rules.demanded === 'certificate' && binding?.certificate === undefined) return { reason: 'unbound_token' };
  const certificate = await judgeCertificate(showing);
  if (certificate !== undefined) return certificate;
  return binding?.dpopKey === undefined ? undefined : judgeProof(showing, binding.dpopKey, rules);
}

async function judgeCertificate({ binding, certificate }: Showing): Promise<PossessionRefusal | undefined> {
  if (binding?.certificate === undefined) return undefined;
  if (certificate === undefined) return { reason: 'certificate_missing' };
  return (await sha256(certificate)) === binding.certificate ? undefined : { reason: 'foreign_certificate' };
}

async function judgeProof(
  { token, proof, method, url, now }: Showing,
  keyThumbprint: string,
  rules: PossessionRules,
): Promise<PossessionRefusal | undefined> {
  if (proof === null) return { reason: 'proof_missing' };
  const verdict = await verifyProof(proof, { method, url: url(), accessToken: token, keyThumbprint, now }, rules);
  if (!verdict.ok) return verdict.refusal;
  const { identifier, usableUntil } = verdict;
  switch (await rules.replays.claim({ identifier, expiresAt: usableUntil, now })) {
    case 'first':
      return undefined;
    case 'replayed':
      return { reason: 'proof_replayed' };
    case 'full':
      return { reason: 'replays_full', retryAfterSeconds: 5 };
  }
}
