import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { IssuerKeys, KeyHint } from './issuer-keys.ts';
import type { Principal } from './principal.ts';
import { principalOf } from './principal-claims.ts';
import type { TokenRefusal, TokenRefusalReason } from './refusal.ts';
import type { VerifiedTokens } from './verified-tokens.ts';

/** What a token must be to be taken. */
type TokenRules = Readonly<{
  issuer: string;
  audience: string;
  algorithms: readonly string[];
  clockToleranceSeconds: number;
}>;

/** The outcome of a verification. */
export type TokenVerdict = { ok: true; principal: Principal } | { ok: false; refusal: TokenRefusal };

type Deps = Readonly<{ rules: TokenRules; keys: IssuerKeys; verified: VerifiedTokens; now: () => Date }>;

const TYPES: readonly unknown[] = ['at+jwt', 'application/at+jwt'];
const LIMIT_CHARACTERS = 16 * 1024;

/**
 * Verifies a JWT access token: algorithm and type, then the signature, then issuer, audience, times and the rest. A
 * signature that was found good is not computed again while the issuer's keys are the same.
 * Not checked: whether whoever shows the token holds what it is bound to, whether it was revoked, and whether its
 * scopes are enough.
 *
 * @see RFC 9068 section 4, RFC 8725
 */
export async function verifyAccessToken(token: string, { rules, keys, verified, now }: Deps): Promise<TokenVerdict> {
  if (token.length > LIMIT_CHARACTERS) return { ok: false, refusal: { reason: 'malformed_token' } };
  const known = await verified.recall(token);
  if (known !== undefined) {
    const current = await keys.current();
    if (!current.ok) return current;
    if (current.keys === known.keys) return judgeClaims(known.claims, rules, now());
    await verified.forget(token);
  }
  const header = judgeHeader(token, rules.algorithms);
  if ('reason' in header) return { ok: false, refusal: header };
  const found = await keys.find(header);
  if (!found.ok) return found;
  const at = now();
  try {
    const { payload } = await jwtVerify(token, found.key, verifyOptions(rules, at));
    await verified.keep(token, { keys: found.keys, claims: payload });
    return judgeClaims(payload, rules, at);
  } catch (error) {
    return { ok: false, refusal: { reason: reasonOf(error) } };
  }
}

function verifyOptions(rules: TokenRules, at: Date): JWTVerifyOptions {
  return {
    algorithms: [...rules.algorithms],
    issuer: rules.issuer,
    audience: rules.audience,
    clockTolerance: rules.clockToleranceSeconds,
    currentDate: at,
  };
}

function judgeHeader(token: string, algorithms: readonly string[]): KeyHint | { reason: TokenRefusalReason } {
  const header = readHeader(token);
  if (header === undefined) return { reason: 'malformed_token' };
  const { alg, typ, kid } = header;
  if (typeof alg !== 'string' || !algorithms.includes(alg)) return { reason: 'algorithm' };
  if (!TYPES.includes(typ)) return { reason: 'token_type' };
  if (typeof kid !== 'string') return { reason: 'unknown_key' };
  return { alg, kid };
}

function readHeader(token: string): Record<string, unknown> | undefined {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
}

/** Judges what can be judged without the signature: all of it on every request, and nothing else where that is known. */
function judgeClaims(payload: JWTPayload, rules: TokenRules, at: Date): TokenVerdict {
  if (payload.iss !== rules.issuer) return { ok: false, refusal: { reason: 'foreign_issuer' } };
  // jose takes a list that has the audience among others; a token for us is for nobody else.
  if (payload.aud !== rules.audience) return { ok: false, refusal: { reason: 'foreign_audience' } };
  const principal = principalOf(payload);
  if (principal === undefined) return { ok: false, refusal: { reason: 'malformed_claims' } };
  const reason = judgeTimes(payload, principal, { at, toleranceMs: rules.clockToleranceSeconds * 1000 });
  return reason === undefined ? { ok: true, principal } : { ok: false, refusal: { reason } };
}

function judgeTimes(
  { nbf }: JWTPayload,
  { issuedAt, expiresAt }: Principal,
  { at, toleranceMs }: { at: Date; toleranceMs: number },
): TokenRefusalReason | undefined {
  const nowMs = at.getTime();
  if (expiresAt.getTime() <= nowMs - toleranceMs) return 'expired';
  if (nbf !== undefined && !(nbf * 1000 <= nowMs + toleranceMs)) return 'not_yet_valid';
  return issuedAt.getTime() > nowMs + toleranceMs ? 'issued_in_future' : undefined;
}

function reasonOf(error: unknown): TokenRefusalReason {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'bad_signature';
  if (error instanceof errors.JWTClaimValidationFailed) return claimReason(error.claim, error.reason);
  if (error instanceof errors.JOSEError) return 'malformed_token';
  throw error;
}

function claimReason(claim: string, reason: string): TokenRefusalReason {
  if (claim === 'iss') return 'foreign_issuer';
  if (claim === 'aud') return 'foreign_audience';
  return claim === 'nbf' && reason === 'check_failed' ? 'not_yet_valid' : 'malformed_claims';
}
