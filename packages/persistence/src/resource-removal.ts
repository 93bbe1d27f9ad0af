import type { Database } from './database.ts';
import { machineRevocations, revocationsOf, untilRequestsEnd } from './grant-ending.ts';
import { endPersonalAccessTokens } from './personal-access-token-ending.ts';
import { recordRevocations } from './revocation-log.ts';

const batchSize = 500;

/**
 * Ends all grants and personal access tokens for a resource, with codes and refresh tokens, forgets what users had
 * agreed to there, and has its server refuse the tokens that are out. To be called within a transaction.
 *
 * @returns how many grants there were
 */
export async function endGrantsAt(
  within: Database,
  { resource, now }: { resource: string; now: Date },
): Promise<number> {
  const { prisma } = within;
  await prisma.consent.deleteMany({ where: { resource } });
  await endPersonalAccessTokens(within, { tokens: { resource }, now });
  let ended = 0;
  for (let after = ''; ; ) {
    const rows = await prisma.grant.findMany({
      // `contains` takes some characters of a URL for wildcards, and so finds too many; never too few.
      where: { id: { gt: after }, resources: { contains: JSON.stringify(resource) } },
      select: { id: true, resources: true },
      orderBy: { id: 'asc' },
      take: batchSize,
    });
    const grants = rows.filter(({ resources }) => isFor(resource, resources));
    await recordRevocations(within, { revocations: grants.flatMap((grant) => revocationsOf(grant, undefined)), now });
    const ids = grants.map(({ id }) => id);
    // The grants first: without them the engine takes none of their tokens.
    ended += (await prisma.grant.deleteMany({ where: { id: { in: ids } } })).count;
    await prisma.refreshToken.deleteMany({ where: { grantId: { in: ids } } });
    await prisma.authorizationCode.deleteMany({ where: { grantId: { in: ids } } });
    if (rows.length < batchSize) return ended;
    after = rows.at(-1)?.id ?? after;
  }
}

function isFor(resource: string, resources: string | null): boolean {
  return resources !== null && Object.hasOwn(JSON.parse(resources), resource);
}

/**
 * Has the server of a resource refuse the tokens that machines have until now: should the resource be added again, they
 * get tokens with the same `gid`.
 */
export async function endMachineTokensAt(
  within: Database,
  { resource, now }: { resource: string; now: Date },
): Promise<void> {
  const clients = await within.prisma.client.findMany({
    where: { allowedResources: { contains: JSON.stringify(resource) } },
    select: { id: true, allowedResources: true },
  });
  const revocations = clients
    .flatMap((client) => machineRevocations(client, untilRequestsEnd(now)))
    .filter((revocation) => revocation.resource === resource);
  await recordRevocations(within, { revocations, now });
}
