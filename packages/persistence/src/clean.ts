import { entomb } from './client-removal.ts';
import type { Database } from './database.ts';

const batchSize = 500;

type Expired = { lte: Date };
type Table = {
  /** Keys of at most {@link batchSize} rows that have expired. */
  find(expired: Expired): Promise<string[]>;
  remove(keys: string[], expired: Expired): Promise<{ count: number }>;
};

/**
 * Removes what has expired, in batches of 500 rows so that no write holds the database for long (SP-5).
 * The audit trail, users, keys and clients that an administrator registered are never removed.
 *
 * @returns how many rows were removed
 */
export async function clean({ prisma }: Database, now: Date): Promise<number> {
  let removed = 0;
  for (const table of tables(prisma, now)) removed += await cleanTable(table, { lte: now });
  return removed;
}

async function cleanTable(table: Table, expired: Expired): Promise<number> {
  let removed = 0;
  for (;;) {
    const keys = await table.find(expired);
    // The condition stands in the removal too: a row may have been prolonged in between.
    if (keys.length > 0) removed += (await table.remove(keys, expired)).count;
    if (keys.length < batchSize) return removed;
  }
}

function tables(prisma: Database['prisma'], now: Date): Table[] {
  const take = batchSize;
  const select = { id: true };
  const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
  return [
    {
      find: async (expiresAt) => ids(await prisma.authorizationCode.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.authorizationCode.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.refreshToken.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.refreshToken.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.grant.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.grant.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.revocation.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.revocation.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.consent.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.consent.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.engineRecord.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.engineRecord.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.signIn.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.signIn.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.replayedIdentifier.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.replayedIdentifier.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.oneTimeLink.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.oneTimeLink.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.client.findMany({ where: { expiresAt }, select, take })),
      remove: async (keys, expiresAt) => {
        const clients = await prisma.client.findMany({ where: { id: { in: keys }, expiresAt } });
        for (const client of clients) await entomb(prisma, client, { removal: 'expired', now });
        return prisma.client.deleteMany({ where: { id: { in: keys }, expiresAt } });
      },
    },
    {
      find: async (expiresAt) => ids(await prisma.clientTombstone.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.clientTombstone.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.registrationToken.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.registrationToken.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.remoteDocument.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.remoteDocument.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) =>
        ids(await prisma.clientDocumentVersion.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.clientDocumentVersion.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expiresAt) => ids(await prisma.clientApproval.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.clientApproval.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expire) =>
        (await prisma.rateLimit.findMany({ where: { expire }, select: { key: true }, take })).map(({ key }) => key),
      remove: (keys, expire) => prisma.rateLimit.deleteMany({ where: { key: { in: keys }, expire } }),
    },
  ];
}
