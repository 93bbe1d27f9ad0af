import type { Database } from './database.ts';

const batchSize = 500;

/**
 * Ends all grants for a resource, with their codes and refresh tokens, and forgets what users had agreed to there.
 * Returns how many grants there were.
 */
export async function endGrantsAt(prisma: Database['prisma'], resource: string): Promise<number> {
  await prisma.consent.deleteMany({ where: { resource } });
  let ended = 0;
  for (let after = ''; ; ) {
    const rows = await prisma.grant.findMany({
      // `contains` takes some characters of a URL for wildcards, and so finds too many; never too few.
      where: { id: { gt: after }, resources: { contains: JSON.stringify(resource) } },
      select: { id: true, resources: true },
      orderBy: { id: 'asc' },
      take: batchSize,
    });
    const ids = rows.filter(({ resources }) => isFor(resource, resources)).map(({ id }) => id);
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
