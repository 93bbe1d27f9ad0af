import type { Database } from './database.ts';
import { untilSecondBefore } from './grant-ending.ts';
import { recordRevocations } from './revocation-log.ts';

/** One token, or all of a user or for a resource. */
type TokenSelection = { id: string } | { userId: string } | { resource: string };

/**
 * Ends personal access tokens and has resource servers forget what they know of them. To be called within a
 * transaction.
 *
 * @returns how many there were
 */
export async function endPersonalAccessTokens(
  within: Database,
  { tokens, now }: { tokens: TokenSelection; now: Date },
): Promise<number> {
  await tellServers(within, { tokens, issuedUntil: undefined, now });
  return (await within.prisma.personalAccessToken.deleteMany({ where: tokens })).count;
}

/**
 * Has resource servers ask anew what the tokens of a user are worth. They stay. To be called within the transaction that
 * takes something from the user.
 */
export function narrowPersonalAccessTokens(
  within: Database,
  { userId, now }: { userId: string; now: Date },
): Promise<void> {
  return tellServers(within, { tokens: { userId }, issuedUntil: untilSecondBefore(now), now });
}

async function tellServers(
  within: Database,
  { tokens, issuedUntil, now }: { tokens: TokenSelection; issuedUntil: Date | undefined; now: Date },
): Promise<void> {
  const rows = await within.prisma.personalAccessToken.findMany({
    where: { ...tokens, expiresAt: { gt: now } },
    select: { id: true, resource: true },
  });
  const revocations = rows.map(({ id, resource }) => ({ grantId: id, resource, issuedUntil }));
  await recordRevocations(within, { revocations, now });
}
