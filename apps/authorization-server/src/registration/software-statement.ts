import { createLocalJWKSet, decodeJwt, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import type { RegistrationPolicy } from './policy.ts';

const MAX_LENGTH = 8192;

/** Signatures that only the holder of a private key can make. */
const ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
  'Ed25519',
];

/** Claims about the statement rather than about the client. */
const JWT_CLAIMS = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/** The metadata that the statement's issuer vouches for; none without a statement. */
export type StatementResult =
  | { ok: true; claims: Readonly<Record<string, unknown>>; statement?: string }
  | {
      ok: false;
      error: 'invalid_software_statement' | 'unapproved_software_statement' | 'invalid_client_metadata';
      description: string;
    };

/**
 * Verifies a software statement (RFC 7591 §2.3): signature, issuer, and its times where it has any.
 * Where no issuer is configured, statements are not understood and left out, as the RFC says.
 */
export async function readSoftwareStatement(
  statement: unknown,
  { required, issuers }: RegistrationPolicy['softwareStatements'],
  now: Date,
): Promise<StatementResult> {
  if (Object.keys(issuers).length === 0) return { ok: true, claims: {} };
  if (statement === undefined || statement === null || statement === '') {
    if (!required) return { ok: true, claims: {} };
    return { ok: false, error: 'invalid_client_metadata', description: 'software_statement is needed here' };
  }
  if (typeof statement !== 'string' || statement.length > MAX_LENGTH) return invalid('must be a signed JWT');
  const issuer = issuerOf(statement);
  if (issuer === undefined) return invalid('must be a signed JWT with the claim iss');
  const keys = Object.hasOwn(issuers, issuer) ? issuers[issuer] : undefined;
  if (!keys) {
    const description = 'software_statement is from an issuer that this server does not know';
    return { ok: false, error: 'unapproved_software_statement', description };
  }
  return verify(statement, { issuer, keys, now });
}

async function verify(
  statement: string,
  { issuer, keys, now }: { issuer: string; keys: JSONWebKeySet; now: Date },
): Promise<StatementResult> {
  try {
    const { payload } = await jwtVerify(statement, createLocalJWKSet(keys), {
      issuer,
      algorithms: ALGORITHMS,
      currentDate: now,
    });
    return { ok: true, claims: metadataOf(payload), statement };
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) return invalid('has expired');
    if (cause instanceof errors.JWTClaimValidationFailed) return invalid(`has a wrong claim ${cause.claim}`);
    if (cause instanceof errors.JOSEError || cause instanceof TypeError)
      return invalid("has no signature by one of its issuer's keys");
    throw cause;
  }
}

function metadataOf(payload: JWTPayload): Record<string, unknown> {
  return Object.fromEntries(Object.entries(payload).filter(([claim]) => !JWT_CLAIMS.has(claim)));
}

function issuerOf(statement: string): string | undefined {
  try {
    const { iss } = decodeJwt(statement);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

function invalid(why: string): StatementResult {
  return { ok: false, error: 'invalid_software_statement', description: `software_statement ${why}` };
}
