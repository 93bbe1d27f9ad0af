/** The grant types that this server knows, and how a metric calls them. */
const GRANT_TYPES: ReadonlyMap<unknown, string> = new Map([
  ['authorization_code', 'authorization_code'],
  ['refresh_token', 'refresh_token'],
  ['client_credentials', 'client_credentials'],
  ['urn:ietf:params:oauth:grant-type:token-exchange', 'token_exchange'],
  ['urn:ietf:params:oauth:grant-type:jwt-bearer', 'jwt_bearer'],
]);

/** The errors of the token endpoint (RFC 6749 §5.2, RFC 8707 §2, RFC 9449 §5) and of a server that is at its end. */
const ERRORS = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
  'invalid_dpop_proof',
  'use_dpop_nonce',
  'access_denied',
  'temporarily_unavailable',
  'server_error',
] as const;

/** What the token endpoint answered: `other` is an error that is none of these. */
export type TokenOutcome = 'success' | (typeof ERRORS)[number] | 'other';

/** A grant type as a label, whatever a client sends. */
export function grantTypeLabel(grantType: unknown): string {
  return GRANT_TYPES.get(grantType) ?? 'other';
}

/** The outcome that an error of OAuth is. */
export function tokenOutcome(error: string): TokenOutcome {
  return ERRORS.find((known) => known === error) ?? 'other';
}
