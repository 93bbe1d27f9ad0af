import type { Binding } from './binding.ts';

/** What kind of token was shown. */
export type Credential = 'access_token' | 'personal_access_token';

/**
 * Who is calling, as one verified access token says. Frozen, and without the token itself, so that a handler
 * cannot pass the token on.
 *
 * @see RFC 9068 section 2.2
 */
export type Principal = Readonly<{
  /** `sub`: the user, or the client itself when it acts in its own name. */
  subject: string;
  /** What was shown: an access token of an app, or a personal access token that a user made for a fixed header. */
  credential: Credential;
  /** `client_id`: the client that the token was issued to; for a personal access token what the issuer says instead. */
  clientId: string;
  /** The values of `scope`; empty when the token has none. */
  scopes: readonly string[];
  /** The values of `roles`; absent when the token has no such claim, which is not the same as an empty one. */
  roles?: readonly string[];
  /** `gid`: the grant that the token came from, when the issuer names it. */
  grantId?: string;
  /** `jti`: the token's own identifier. */
  tokenId: string;
  /** `iat` */
  issuedAt: Date;
  /** `exp` */
  expiresAt: Date;
  /** `iss`: always the guard's issuer. */
  issuer: string;
  /** `aud`: always the guard's resource. */
  audience: string;
  /** What the token is bound to, which the request has proven; absent for a bearer token. */
  boundTo?: Binding;
}>;
