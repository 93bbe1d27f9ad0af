import type { MessageRefusal } from './mcp-message.ts';
import type { OperationRefusal } from './operation.ts';
import type { PossessionRefusal } from './possession.ts';

/**
 * Why a token is not taken. For the log only: the wire says the same for all of them.
 *
 * - `malformed_token`: no JWT, or one with a header that must not be accepted
 * - `algorithm`: `alg` is not on the list (`none` and `HS*` never are)
 * - `token_type`: `typ` is not `at+jwt`
 * - `unknown_key`: the issuer publishes no key with this `kid`
 * - `bad_signature`: the key is known and did not sign this
 * - `foreign_issuer`, `foreign_audience`: `iss` or `aud` is not the guard's, character by character
 * - `expired`, `not_yet_valid`, `issued_in_future`: `exp`, `nbf`, `iat`
 * - `malformed_claims`: a claim is missing or has the wrong form, or `cnf` binds in a way that is not known here
 * - `revoked`: the grant that the token came from was revoked
 * - `inactive`: the issuer says that this is no token for this resource, or not any more
 * - `bound_token`: the token is bound (`cnf`) and was shown without a proof
 * - `unbound_token`: the token is not bound to what this resource demands
 */
export type TokenRefusalReason =
  | 'malformed_token'
  | 'algorithm'
  | 'token_type'
  | 'unknown_key'
  | 'bad_signature'
  | 'foreign_issuer'
  | 'foreign_audience'
  | 'expired'
  | 'not_yet_valid'
  | 'issued_in_future'
  | 'malformed_claims'
  | 'revoked'
  | 'inactive'
  | 'bound_token'
  | 'unbound_token';

/**
 * Refused because of the token, or because it cannot be judged at the moment (`retryAfterSeconds`: when to ask again):
 * the issuer's keys cannot be had, it cannot be asked about the token, or nothing was heard of revocations for too long.
 */
export type TokenRefusal =
  | Readonly<{ reason: TokenRefusalReason }>
  | Readonly<{ reason: 'keys_unavailable'; retryAfterSeconds: number; cause: unknown }>
  | Readonly<{ reason: 'introspection_unavailable'; retryAfterSeconds: number; cause: unknown }>
  | Readonly<{ reason: 'revocation_unknown'; retryAfterSeconds: number }>;

/** Every reason for which a guard turns a request away. A closed set: a `switch` over `reason` can be exhaustive. */
export type Refusal =
  | TokenRefusal
  | PossessionRefusal
  | Readonly<{ reason: 'foreign_host' }>
  | Readonly<{ reason: 'foreign_origin' }>
  | Readonly<{ reason: 'token_in_query' }>
  | Readonly<{ reason: 'no_credentials' }>
  | Readonly<{ reason: 'malformed_credentials' }>
  | Readonly<{ reason: 'method_not_allowed' }>
  | Readonly<{ reason: 'unsupported_media_type' }>
  | Readonly<{ reason: 'length_required' }>
  | Readonly<{ reason: 'body_too_large' }>
  | MessageRefusal
  | OperationRefusal;
