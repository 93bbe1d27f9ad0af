import type { JWTPayload } from 'jose';
import { readBinding } from './binding.ts';
import type { Credential, Principal } from './principal.ts';

/**
 * Reads the principal out of claims whose issuer and audience were already judged, be they of a JWT or of an answer to
 * introspection.
 *
 * @returns undefined when a claim that must be there is missing, or one has the wrong form
 * @see RFC 9068 section 2.2
 */
export function principalOf(claims: JWTPayload, credential: Credential = 'access_token'): Principal | undefined {
  const { iss, aud, sub, jti, iat, exp, client_id: clientId, gid: grantId } = claims;
  const scopes = scopesOf(claims.scope);
  const { roles } = claims;
  const boundTo = claims.cnf === undefined ? undefined : readBinding(claims.cnf);
  const issuedAt = dateOf(iat);
  const expiresAt = dateOf(exp);
  if (!isText(iss) || !isText(aud) || !isText(sub) || !isText(jti) || !isText(clientId)) return undefined;
  if (scopes === undefined || issuedAt === undefined || expiresAt === undefined) return undefined;
  if (roles !== undefined && !isTextList(roles)) return undefined;
  if (grantId !== undefined && !isText(grantId)) return undefined;
  // A binding that cannot be read cannot be checked, and must not be passed over.
  if (claims.cnf !== undefined && boundTo === undefined) return undefined;
  return Object.freeze({
    subject: sub,
    credential,
    clientId,
    scopes: Object.freeze(scopes),
    ...(roles !== undefined && { roles: Object.freeze([...roles]) }),
    ...(grantId !== undefined && { grantId }),
    tokenId: jti,
    issuedAt,
    expiresAt,
    issuer: iss,
    audience: aud,
    ...(boundTo && { boundTo }),
  });
}

function scopesOf(scope: unknown): string[] | undefined {
  if (scope === undefined) return [];
  return typeof scope === 'string' ? [...new Set(scope.split(' ').filter((value) => value !== ''))] : undefined;
}

// A number like 1e999 is valid JSON and becomes Infinity, which would never expire.
function dateOf(seconds: unknown): Date | undefined {
  if (typeof seconds !== 'number') return undefined;
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}
