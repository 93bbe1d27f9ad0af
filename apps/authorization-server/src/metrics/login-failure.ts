import type { IdentitySignIn } from '../identities/identity-sign-in.ts';
import type { UpstreamFailure } from '../upstream/connector.ts';

/** Why a sign-in failed, as its own part of the server says it. */
export type LoginFailure =
  | { way: 'password'; reason: 'too_many_failures' | 'no_match' }
  | { way: 'upstream'; reason: UpstreamFailure | Extract<IdentitySignIn, { ok: false }>['reason'] };

/** The classes that a metric tells apart. */
export const FAILURE_CLASSES = [
  'wrong_credentials',
  'too_many_failures',
  'user_refused',
  'user_disabled',
  'not_admitted',
  'upstream_away',
  'upstream_failed',
] as const;

/** The class of a failure: few enough to watch, and none that says who it was. */
export function loginFailure({ reason }: LoginFailure): (typeof FAILURE_CLASSES)[number] {
  switch (reason) {
    case 'no_match':
      return 'wrong_credentials';
    case 'too_many_failures':
    case 'user_refused':
    case 'user_disabled':
      return reason;
    case 'unknown_user':
    case 'no_email':
    case 'unverified_email':
    case 'foreign_domain':
    case 'foreign_group':
    case 'email_taken':
      return 'not_admitted';
    case 'unreachable':
    case 'slow':
      return 'upstream_away';
    case 'error':
    case 'over':
    case 'wrong_issuer':
    case 'bad_answer':
    case 'more_than_asked':
    case 'less_than_asked':
      return 'upstream_failed';
  }
}
