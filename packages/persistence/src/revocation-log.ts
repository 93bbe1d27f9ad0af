import { randomUUID } from 'node:crypto';
import { secondsAfter } from './client-lifetimes.ts';
import type { Database } from './database.ts';
import type { Revocation as RevocationRow } from './generated/postgresql/client.ts';
import { REVOCATION_CHANNEL } from './revocation-signal.ts';
import { REVOCATION_OF } from './statements/lookups.ts';

/** Access tokens that end before they expire: those of one grant for one resource. */
export type Revocation = {
  /** `gid` of the tokens. */
  grantId: string;
  /** `aud` of the tokens. */
  resource: string;
  /** Only tokens issued until then; undefined for all of them, also those that are issued later. */
  issuedUntil: Date | undefined;
};

/** A revocation as it is stored. */
export type LoggedRevocation = Revocation & { id: string; position: bigint };

/** Reads what resource servers have to be told. */
export type RevocationLog = {
  /** No revocation will appear below this position any more. */
  watermark(): Promise<bigint>;
  /**
   * All revocations from a watermark on that can be seen now, in any order, and the next watermark to read from. A
   * revocation at or above the new watermark comes again with the next reading.
   */
  readFrom(watermark: bigint): Promise<{ revocations: LoggedRevocation[]; watermark: bigint }>;
  /** What a resource server must know: by id, at most `limit`, of those that come after the id `after`. */
  list(o: {
    resource: string;
    /** Only those at or above this position. */
    from?: bigint | undefined;
    after?: string | undefined;
    limit: number;
    now: Date;
  }): Promise<LoggedRevocation[]>;
  /** Whether a token has been ended that way. */
  covers(o: { grantId: string; resource: string; issuedAt: Date; now: Date }): Promise<boolean>;
};

/** No access token lives longer, however the server is configured. */
const LONGEST_TOKEN_SECONDS = 3600;

/** For how long revocations are kept: as long as a token can live, and by how much two clocks may differ. */
const KEPT_SECONDS = LONGEST_TOKEN_SECONDS + 600;

const BATCH_ROWS = 1000;

/** Reads the revocations of a database. */
export function createRevocationLog(database: Database): RevocationLog {
  const { prisma, statements } = database;
  return {
    watermark: () => watermarkOf(database),
    // The watermark first: what was not over when it was taken is at or above it, and is read again next time.
    readFrom: async (from) => {
      const watermark = await watermarkOf(database);
      const rows = await prisma.revocation.findMany({ where: { position: { gte: from } } });
      return { revocations: rows.map(toRevocation), watermark };
    },
    list: async ({ resource, from, after, limit, now }) => {
      const rows = await prisma.revocation.findMany({
        where: {
          resource,
          expiresAt: { gt: now },
          ...(from !== undefined && { position: { gte: from } }),
          ...(after !== undefined && { id: { gt: after } }),
        },
        orderBy: { id: 'asc' },
        take: limit,
      });
      return rows.map(toRevocation);
    },
    covers: async ({ grantId, resource, issuedAt, now }) => {
      const covering = await statements.run(REVOCATION_OF, grantId, resource, now, issuedAt);
      return covering.length > 0;
    },
  };
}

/** Writes revocations into the transaction that makes them true. Resource servers hear of them once it commits. */
export async function recordRevocations(
  within: Database,
  { revocations, now }: { revocations: readonly Revocation[]; now: Date },
): Promise<void> {
  if (revocations.length === 0) return;
  const position = await nextPosition(within, now);
  const rows = revocations.map(({ grantId, resource, issuedUntil }) => ({
    id: randomUUID(),
    position,
    grantId,
    resource,
    issuedUntil: issuedUntil ?? null,
    revokedAt: now,
    expiresAt: secondsAfter(now, KEPT_SECONDS),
  }));
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    await within.prisma.revocation.createMany({ data: rows.slice(start, start + BATCH_ROWS) });
  }
  if (within.kind === 'postgresql') await within.prisma.$queryRaw`SELECT pg_notify(${REVOCATION_CHANNEL}, '')::text`;
  within.revocationSignal.announce();
}

/**
 * PostgreSQL: the id of the writing transaction, because a serial number is drawn long before the row can be seen, and
 * rows commit in another order. SQLite: a counter, because one transaction writes at a time; it goes by the clock so
 * that it never comes back to an earlier number when all rows have been cleaned away.
 */
async function nextPosition({ kind, prisma }: Database, now: Date): Promise<bigint> {
  if (kind === 'postgresql')
    return onePosition(await prisma.$queryRaw`SELECT pg_current_xact_id()::text AS "position"`);
  const next = (await highestPosition(prisma)) + 1n;
  const byClock = BigInt(now.getTime());
  return next > byClock ? next : byClock;
}

/** PostgreSQL: the oldest transaction that is not over. SQLite: what comes after the last row. */
async function watermarkOf({ kind, prisma }: Database): Promise<bigint> {
  return kind === 'postgresql'
    ? onePosition(await prisma.$queryRaw`SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "position"`)
    : (await highestPosition(prisma)) + 1n;
}

async function highestPosition(prisma: Database['prisma']): Promise<bigint> {
  const { _max } = await prisma.revocation.aggregate({ _max: { position: true } });
  return _max.position ?? 0n;
}

function onePosition(rows: { position: string }[]): bigint {
  const [row] = rows;
  if (!row) throw new Error('the database names no transaction');
  return BigInt(row.position);
}

function toRevocation({ id, position, grantId, resource, issuedUntil }: RevocationRow): LoggedRevocation {
  return { id, position, grantId, resource, issuedUntil: issuedUntil ?? undefined };
}
