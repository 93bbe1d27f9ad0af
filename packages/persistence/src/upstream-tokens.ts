import type { Envelope } from './envelope.ts';
import type { UpstreamConnection, UpstreamRevocation } from './generated/postgresql/client.ts';

/** What an upstream gave. */
export type UpstreamTokens = {
  accessToken: string;
  /** When the access token ends; undefined for one that says nothing of it. */
  accessExpiresAt: Date | undefined;
  refreshToken: string | undefined;
};

/** The part of them that is secret. */
export type TokenPair = Pick<UpstreamTokens, 'accessToken' | 'refreshToken'>;

/**
 * Whether ending one pair may end the other: some services give the same token again at a second authorization, and
 * with either token of a pair a server may end both (RFC 7009 section 2.1).
 */
export function shareToken(one: TokenPair, other: TokenPair): boolean {
  const sameRefreshToken = one.refreshToken !== undefined && one.refreshToken === other.refreshToken;
  return sameRefreshToken || one.accessToken === other.accessToken;
}

/** Encrypts tokens for the place that they belong to. */
export function sealTokens({ accessToken, refreshToken }: TokenPair, place: string, envelope: Envelope): string {
  return envelope.seal(JSON.stringify({ accessToken, refreshToken }), place);
}

/** Decrypts tokens. @throws when they were not sealed for this place */
export function openTokens(sealed: string, place: string, envelope: Envelope): TokenPair {
  const { accessToken, refreshToken }: TokenPair = JSON.parse(envelope.open(sealed, place).toString());
  return { accessToken, refreshToken };
}

/** Where tokens belong. All of what a connection is known by stands in it, so that no row opens in another's place. */
export function upstreamConnectionPlace({
  userId,
  upstream,
  subject,
  scopes,
}: Pick<UpstreamConnection, 'userId' | 'upstream' | 'subject' | 'scopes'>): string {
  return `UpstreamConnection:${JSON.stringify([userId, upstream, subject, scopes])}`;
}

/** The same for tokens that are to be revoked. */
export function upstreamRevocationPlace({
  id,
  userId,
  upstream,
  subject,
}: Pick<UpstreamRevocation, 'id' | 'userId' | 'upstream' | 'subject'>): string {
  return `UpstreamRevocation:${JSON.stringify([id, userId, upstream, subject])}`;
}
