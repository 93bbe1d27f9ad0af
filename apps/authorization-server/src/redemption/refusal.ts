import { errors } from 'oidc-provider';

/** Why a code or refresh token is refused that is no proof of theft. */
export type RedemptionRefusal =
  | 'code_redeemed'
  | 'token_superseded'
  | 'token_rotated'
  | 'other_request'
  | 'grant_ended'
  | 'suspicious_replay';

/** The refusal as the token endpoint tells it: `invalid_grant` (RFC 6749, section 5.2). */
export function invalidGrant(refusal: RedemptionRefusal): errors.InvalidGrant {
  return Object.assign(new errors.InvalidGrant(refusal), { error_description: describe(refusal) });
}

function describe(refusal: RedemptionRefusal): string {
  switch (refusal) {
    case 'code_redeemed':
      return 'the authorization code was redeemed by another request';
    case 'token_superseded':
      return 'the refresh token was replaced, and its successor is in use; use the newest one';
    case 'token_rotated':
      return 'the refresh token was replaced by another request; use the newest one';
    case 'other_request':
      return 'the refresh token was replaced, and its answer belongs to another request; use the newest one';
    case 'grant_ended':
      return 'what the user allowed has ended; start a new authorization';
    case 'suspicious_replay':
      return 'the refresh token was presented again in an unusual way, so the authorization was ended; start a new one';
  }
}
