import { errors } from 'oidc-provider';
import type { UnknownIdentity } from '../identities/user-of-identity.ts';

/** Why an assertion leads to no token. */
export type AssertionRefusal = {
  reason:
    | 'malformed'
    | 'wrong_type'
    | 'untrusted_issuer'
    | 'keys_unreachable'
    | 'bad_signature'
    | 'wrong_audience'
    | 'wrong_client'
    | 'wrong_tenant'
    | 'expired'
    | 'not_yet_valid'
    | 'lives_too_long'
    | 'unsupported_claim'
    | 'replayed'
    | 'no_resource'
    | 'several_resources'
    | 'unknown_resource'
    | 'other_resource'
    | 'foreign_scope'
    | 'nothing_granted'
    | 'client_not_allowed'
    | 'proof_missing'
    | 'other_proof_key'
    | 'unbound'
    | 'user_disabled'
    | 'access_changed'
    | UnknownIdentity;
  /** What else there is to say about it, for the log alone. */
  detail?: string;
};

/** A refusal as a result. */
export function refuse(reason: AssertionRefusal['reason'], detail?: string): { ok: false; refusal: AssertionRefusal } {
  return { ok: false, refusal: { reason, ...(detail !== undefined && { detail }) } };
}

/** Until then nobody asks a provider again whose keys cannot be had. */
const KEYS_RETRY_AFTER_SECONDS = 30;

/** By then whoever changes a user's roles should be done. */
const CHANGED_RETRY_AFTER_SECONDS = 1;

/** How long a client should wait before it tries again, in seconds; undefined where that is of no use. */
export function retryAfterSeconds({ reason }: AssertionRefusal): number | undefined {
  if (reason === 'keys_unreachable') return KEYS_RETRY_AFTER_SECONDS;
  return reason === 'access_changed' ? CHANGED_RETRY_AFTER_SECONDS : undefined;
}

/** A reason to come back. */
class TemporarilyUnavailable extends errors.CustomOIDCProviderError {
  constructor(description: string) {
    super('temporarily_unavailable', description);
    Object.assign(this, { status: 503, statusCode: 503 });
  }
}

const NOT_TRUSTED = 'the assertion is not from an identity provider that this server trusts';
const NOT_A_USER = 'the user of the assertion is nobody who may use this server';

/**
 * The refusal as the token endpoint tells it (RFC 7521, section 4.1.1; EX-8). Which issuers are trusted, and who is a
 * user here, is nothing that the words tell apart.
 */
export function toOAuthError(refusal: AssertionRefusal): errors.OIDCProviderError {
  switch (refusal.reason) {
    case 'malformed':
      return invalidGrant('the assertion is no signed JWT with the claims of an ID-JAG');
    case 'wrong_type':
      return invalidGrant('the assertion must have the type oauth-id-jag+jwt');
    case 'untrusted_issuer':
    case 'bad_signature':
      return invalidGrant(NOT_TRUSTED);
    case 'wrong_audience':
      return invalidGrant('the audience of the assertion must be the issuer of this server, and nothing else');
    case 'wrong_client':
      return invalidGrant('the assertion was made for another client');
    case 'wrong_tenant':
      return invalidGrant('the assertion is from another tenant of its issuer');
    case 'expired':
      return invalidGrant('the assertion has expired');
    case 'not_yet_valid':
      return invalidGrant('the assertion is from the future');
    case 'lives_too_long':
      return invalidGrant('the assertion may live for an hour at most');
    case 'unsupported_claim':
      return invalidGrant('the assertion holds authorization_details, which this server does not understand');
    case 'replayed':
      return invalidGrant('the assertion was used before; get a new one');
    case 'no_resource':
      return invalidGrant('the assertion names no resource');
    case 'several_resources':
      return invalidGrant('the assertion names several resources; one at a time');
    case 'unknown_resource':
      return invalidGrant('the assertion is for a resource that this server does not protect');
    case 'foreign_scope':
      return invalidGrant('the assertion names a scope that its resource does not have');
    case 'proof_missing':
      return invalidGrant('the assertion is bound to a key: send a DPoP proof');
    case 'other_proof_key':
      return invalidGrant('the DPoP proof is of another key than the assertion is bound to');
    case 'unbound':
      return invalidGrant('tokens for this resource are bound to a key or a certificate');
    case 'user_disabled':
    case 'email_taken':
    case 'unknown_user':
    case 'no_email':
    case 'unverified_email':
    case 'foreign_domain':
    case 'foreign_group':
      return invalidGrant(NOT_A_USER);
    case 'other_resource':
      return new errors.InvalidTarget('the assertion is for another resource');
    case 'nothing_granted':
      return new errors.InvalidScope(
        'nothing is left of what was asked, what the assertion allows and the user may do',
        '',
      );
    case 'client_not_allowed':
      return new errors.UnauthorizedClient('this client may not use assertions of this identity provider');
    case 'keys_unreachable':
      // The assertion was not used up.
      return new TemporarilyUnavailable("the identity provider's keys cannot be fetched at the moment; try again");
    case 'access_changed':
      return new TemporarilyUnavailable(
        'what the user may do has changed meanwhile; the assertion was used up: try again with a new one',
      );
  }
}

function invalidGrant(description: string): errors.OIDCProviderError {
  return Object.assign(new errors.InvalidGrant(description), { error_description: description });
}
