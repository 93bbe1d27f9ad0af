import { entomb } from './client-removal.ts';
import type { Database } from './database.ts';
import { inOneCommit } from './transaction.ts';

const batchSize = 200;

type Expired = { lte: Date };
type Table = {
  /** Keys of at most {@link batchSize} rows that have expired. */
  find(expired: Expired): Promise<string[]>;
  remove(keys: string[], expired: Expired): Promise<{ count: number }>;
};

/**
 * Removes what has expired, in batches of 200 rows with a transaction each, so that no write holds the database for
 * long (SP-5). On PostgreSQL one replica works at a time: whoever finds another at it leaves the rest to that one.
 * The audit trail, users, keys and clients that an administrator registered are never removed.
 *
 * @returns how many rows were removed
 */
export async function clean(database: Database, now: Date): Promise<number> {
  const expired = { lte: now };
  let removed = 0;
  for (let table = 0; ; ) {
    const batch = await inOneCommit(database, (within) => cleanBatch(within, { table, expired, now }));
    if (batch === 'elsewhere' || batch === 'no such table') return removed;
    removed += batch.removed;
    if (batch.isLast) table += 1;
  }
}

type Batch = { removed: number; isLast: boolean } | 'elsewhere' | 'no such table';

async function cleanBatch(
  within: Database,
  { table: index, expired, now }: { table: number; expired: Expired; now: Date },
): Promise<Batch> {
  const table = tables(within.prisma, now)[index];
  if (!table) return 'no such table';
  if (!(await isMine(within))) return 'elsewhere';
  const keys = await table.find(expired);
  if (keys.length === 0) return { removed: 0, isLast: true };
  // The condition stands in the removal too: a row may have been prolonged in between.
  const { count } = await table.remove(keys, expired);
  return { removed: count, isLast: keys.length < batchSize };
}

/** Names the work among PostgreSQL's advisory locks. */
const CLEANING_LOCK = 5_053_005;

/** Whether nobody else is cleaning; holds until the transaction is over. A SQLite file has one process. */
async function isMine({ kind, prisma }: Database): Promise<boolean> {
  if (kind === 'sqlite') return true;
  const [row] = await prisma.$queryRaw<
    { mine: boolean }[]
  >`SELECT pg_try_advisory_xact_lock(${CLEANING_LOCK}) AS "mine"`;
  return row?.mine === true;
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
      find: async (expiresAt) => ids(await prisma.confirmation.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.confirmation.deleteMany({ where: { id: { in: keys }, expiresAt } }),
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
      find: async (expiresAt) => ids(await prisma.personalAccessToken.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.personalAccessToken.deleteMany({ where: { id: { in: keys }, expiresAt } }),
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
      find: async (expiresAt) => ids(await prisma.upstreamFlow.findMany({ where: { expiresAt }, select, take })),
      remove: (keys, expiresAt) => prisma.upstreamFlow.deleteMany({ where: { id: { in: keys }, expiresAt } }),
    },
    {
      find: async (expire) =>
        (await prisma.rateLimit.findMany({ where: { expire }, select: { key: true }, take })).map(({ key }) => key),
      remove: (keys, expire) => prisma.rateLimit.deleteMany({ where: { key: { in: keys }, expire } }),
    },
  ];
}
