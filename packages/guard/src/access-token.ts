import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { IssuerKeys, KeyHint } from './issuer-keys.ts';
import type { Principal } from './principal.ts';
import { principalOf } from './principal-claims.ts';
import type { TokenRefusal, TokenRefusalReason } from './refusal.ts';

/** What a token must be to be taken. */
type TokenRules = Readonly<{
  issuer: string;
  audience: string;
  algorithms: readonly string[];
  clockToleranceSeconds: number;
}>;

/** The outcome of a verification. */
export type TokenVerdict = { ok: true; principal: Principal } | { ok: false; refusal: TokenRefusal };

type Deps = Readonly<{ rules: TokenRules; keys: IssuerKeys; now: () => Date }>;

const TYPES: readonly unknown[] = ['at+jwt', 'application/at+jwt'];
const LIMIT_CHARACTERS = 16 * 1024;

/**
 * Verifies a JWT access token: algorithm and type, then the signature, then issuer, audience, times and the rest.
 * Not checked: whether whoever shows the token holds what it is bound to, whether it was revoked, and whether its
 * scopes are enough.
 *
 * @see RFC 9068 section 4, RFC 8725
 */
export async function verifyAccessToken(token: string, { rules, keys, now }: Deps): Promise<TokenVerdict> {
  const header = judgeHeader(token, rules.algorithms);
  if ('reason' in header) return { ok: false, refusal: header };
  const found = await keys.find(header);
  if (!found.ok) return found;
  const at = now();
  try {
    const { payload } = await jwtVerify(token, found.key, verifyOptions(rules, at));
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
  if (token.length > LIMIT_CHARACTERS) return undefined;
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
}

function judgeClaims(payload: JWTPayload, rules: TokenRules, at: Date): TokenVerdict {
  // jose takes a list that has the audience among others; a token for us is for nobody else.
  if (payload.aud !== rules.audience) return { ok: false, refusal: { reason: 'foreign_audience' } };
  const principal = principalOf(payload);
  if (principal === undefined) return { ok: false, refusal: { reason: 'malformed_claims' } };
  const latestIssue = at.getTime() + rules.clockToleranceSeconds * 1000;
  if (principal.issuedAt.getTime() > latestIssue) return { ok: false, refusal: { reason: 'issued_in_future' } };
  return { ok: true, principal };
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
