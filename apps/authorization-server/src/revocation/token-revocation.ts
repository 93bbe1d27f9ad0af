import {
  createAuditLog,
  createGrantStore,
  createRevocationLog,
  type Database,
  inTransaction,
  recordRevocations,
} from '@portcullis/persistence';
import type { Clock } from '@portcullis/platform';
import { type AccessTokenClaims, type OwnTokens, readAccessToken } from './access-token-claims.ts';
import type { AskingClient } from './asking-client.ts';

/** Whether the token was ended, was worth nothing already, or belongs to somebody else. */
type TokenRevocation = 'ended' | 'nothing_to_end' | 'foreign';

/** Ends an access token at the wish of its client. */
export type RevokeAccessToken = (token: string, request: AskingClient) => Promise<TokenRevocation>;

/** What ending a token needs. */
export type TokenRevocationDeps = { tokens: OwnTokens; database: Database; clock: Clock };

/**
 * Revocation of access tokens: the whole grant ends, with its refresh token, as a client that signs its user out
 * expects. A machine has no grant; its tokens end that were issued until the one it shows.
 *
 * @see RFC 7009 section 2.1
 */
export function createTokenRevocation({ tokens, database, clock }: TokenRevocationDeps): RevokeAccessToken {
  return async (token, request) => {
    const now = clock();
    const claims = await readAccessToken(token, { ...tokens, now });
    if (!claims) return 'nothing_to_end';
    if (claims.clientId !== request.clientId) return 'foreign';
    return inTransaction(database, async (within) => {
      if (!(await end(within, claims, now))) return 'nothing_to_end';
      const { subject, audience, grantId } = claims;
      await createAuditLog(within).record({
        time: now,
        type: 'grant.revoked',
        outcome: 'success',
        subject,
        client: claims.clientId,
        resource: audience,
        address: request.address,
        correlationId: request.correlationId,
        detail: { grantId, by: 'client' },
      });
      return 'ended';
    });
  };
}

async function end(within: Database, { grantId, audience, ...claims }: AccessTokenClaims, now: Date): Promise<boolean> {
  if (claims.subject !== claims.clientId) return createGrantStore(within).revoke({ id: grantId, now });
  const { issuedAt } = claims;
  // Once is enough: otherwise one token would fill the tables, the trail and every guard's memory.
  if (await createRevocationLog(within).covers({ grantId, resource: audience, issuedAt, now })) return false;
  const revocation = { grantId, resource: audience, issuedUntil: issuedAt };
  await recordRevocations(within, { revocations: [revocation], now });
  return true;
}
