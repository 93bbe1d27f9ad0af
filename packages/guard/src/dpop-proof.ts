import { calculateJwkThumbprint, EmbeddedJWK, errors, type JWTPayload, jwtVerify } from 'jose';
import { sha256 } from './digest.ts';
import type { Nonces } from './dpop-nonce.ts';

/** What a guard asks of proofs. */
export type ProofRules = Readonly<{
  /** Asymmetric JWS algorithms. */
  algorithms: readonly string[];
  /** By how much `iat` may differ from our clock, either way. */
  windowSeconds: number;
  /** Where there are nonces, a proof without one of them is refused, and its `iat` is not looked at. */
  nonces: Nonces | undefined;
}>;

/** The request that a proof must have been made for. */
export type ProvenRequest = Readonly<{
  method: string;
  /** The URL as clients know it. Query and fragment do not matter. */
  url: string;
  accessToken: string;
  /** The JWK thumbprint of the key that the token is bound to. */
  keyThumbprint: string;
  now: Date;
}>;

/**
 * Why a proof is not taken.
 *
 * - `proof_malformed`: no JWT of type `dpop+jwt`, no usable public key in it, or a claim is missing
 * - `proof_algorithm`: `alg` is not on the list (`none` and `HS*` never are)
 * - `proof_signature`: the key inside did not sign this
 * - `proof_method`, `proof_url`, `proof_token`: `htm`, `htu` or `ath` is not the request's
 * - `proof_stale`, `proof_in_future`: `iat` is too far from our clock
 * - `foreign_key`: a good proof, but of another key than the token's
 * - `nonce_needed`: it has no nonce of ours, or one that is too old (`nonce`: a new one)
 */
export type ProofRefusal =
  | Readonly<{
      reason:
        | 'proof_malformed'
        | 'proof_algorithm'
        | 'proof_signature'
        | 'proof_method'
        | 'proof_url'
        | 'proof_token'
        | 'proof_stale'
        | 'proof_in_future'
        | 'foreign_key';
    }>
  | Readonly<{ reason: 'nonce_needed'; nonce: string }>;

/** The outcome: a good proof, with what its one use has to be remembered by and until when. */
type ProofVerdict = { ok: true; identifier: string; usableUntil: Date } | { ok: false; refusal: ProofRefusal };

const LIMIT_CHARACTERS = 8 * 1024;
const LIMIT_IDENTIFIER_CHARACTERS = 256;

/**
 * Verifies a DPoP proof against the request that it came with. Not checked: whether it was used before, which must
 * be the last question, so that nothing but good proofs has to be remembered.
 *
 * @see RFC 9449 section 4.3
 */
export async function verifyProof(proof: string, request: ProvenRequest, rules: ProofRules): Promise<ProofVerdict> {
  const signed = await verifySignature(proof, request, rules);
  if (!signed.ok) return signed;
  const { claims, thumbprint } = signed;
  const mismatch = await judgeClaims(claims, request);
  if (mismatch !== undefined) return { ok: false, refusal: mismatch };
  if (thumbprint !== request.keyThumbprint) return { ok: false, refusal: { reason: 'foreign_key' } };
  const time = await judgeTime(claims, request.now, rules);
  if ('reason' in time) return { ok: false, refusal: time };
  return { ok: true, identifier: await sha256(`${thumbprint} ${claims.jti}`), ...time };
}

type Signed = { ok: true; claims: JWTPayload; thumbprint: string } | { ok: false; refusal: ProofRefusal };

async function verifySignature(proof: string, { now }: ProvenRequest, rules: ProofRules): Promise<Signed> {
  if (proof.length > LIMIT_CHARACTERS) return { ok: false, refusal: { reason: 'proof_malformed' } };
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: [...rules.algorithms],
      typ: 'dpop+jwt',
      currentDate: now,
      clockTolerance: rules.windowSeconds,
    });
    return { ok: true, claims: payload, thumbprint: await calculateJwkThumbprint(protectedHeader.jwk ?? {}) };
  } catch (error) {
    return { ok: false, refusal: refusalFor(error) };
  }
}

function refusalFor(error: unknown): ProofRefusal {
  if (error instanceof errors.JOSEAlgNotAllowed) return { reason: 'proof_algorithm' };
  if (error instanceof errors.JWSSignatureVerificationFailed) return { reason: 'proof_signature' };
  if (error instanceof errors.JWTExpired) return { reason: 'proof_stale' };
  // The key is the sender's too, and runtimes have errors of their own for keys that make no sense.
  return { reason: 'proof_malformed' };
}

async function judgeClaims(claims: JWTPayload, request: ProvenRequest): Promise<ProofRefusal | undefined> {
  const { jti, iat, htm, htu, ath } = claims;
  const isIdentified = typeof jti === 'string' && jti !== '' && jti.length <= LIMIT_IDENTIFIER_CHARACTERS;
  if (!isIdentified || typeof iat !== 'number' || typeof htm !== 'string' || typeof htu !== 'string') {
    return { reason: 'proof_malformed' };
  }
  if (htm !== request.method) return { reason: 'proof_method' };
  if (!isSameTarget(htu, request.url)) return { reason: 'proof_url' };
  return ath === (await sha256(request.accessToken)) ? undefined : { reason: 'proof_token' };
}

async function judgeTime(
  { iat = Number.NaN, nonce }: JWTPayload,
  now: Date,
  { nonces, windowSeconds }: ProofRules,
): Promise<{ usableUntil: Date } | ProofRefusal> {
  if (nonces !== undefined) {
    const usableUntil = typeof nonce === 'string' ? await nonces.usableUntil(nonce, now) : undefined;
    return usableUntil === undefined ? { reason: 'nonce_needed', nonce: await nonces.issue(now) } : { usableUntil };
  }
  const aheadSeconds = iat - now.getTime() / 1000;
  if (aheadSeconds > windowSeconds) return { reason: 'proof_in_future' };
  if (!(aheadSeconds >= -windowSeconds)) return { reason: 'proof_stale' };
  return { usableUntil: new Date((iat + windowSeconds) * 1000) };
}

function isSameTarget(htu: string, url: string): boolean {
  const target = targetOf(htu);
  return target !== undefined && target === targetOf(url);
}

// RFC 9449 section 4.3, check 9: without query and fragment, after syntax- and scheme-based normalization.
function targetOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const target = new URL(url);
  target.search = '';
  target.hash = '';
  return target.href;
}
