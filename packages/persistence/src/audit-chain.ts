import { CHAIN_START, type ChainPosition, recordHash, type SealedAuditRecord } from '@portcullis/platform';
import { toEvent } from './audit-log.ts';
import type { Database } from './database.ts';
import { type AuditEvent as AuditRow, Prisma } from './generated/postgresql/client.ts';
import { inOneCommit, inTransaction } from './transaction.ts';

/** A run of records from the chain's beginning on that stands in a file, and is no longer in the database. */
export type AuditSegment = {
  firstSeq: number;
  lastSeq: number;
  lastHash: string;
  /** Signed, for whoever verifies what is left: the chain goes on after this segment's last record. */
  statement: string;
  closedAt: Date;
};

/** The audit trail as a chain of hashes. */
export type AuditChain = {
  /**
   * Gives committed records that have none yet their place at the end of the chain, the oldest first, at most 200.
   * Several replicas may try at once; one of them does it.
   *
   * @returns how many there were; 0 also where another replica is at it
   */
  seal(): Promise<number>;
  /** The last place in the chain. */
  head(): Promise<ChainPosition>;
  /** Sealed records in their order, from the one behind the number `after` on. */
  list(o: { after: number; limit: number }): Promise<SealedAuditRecord[]>;
  /** How many records have no place in the chain yet. */
  unsealed(): Promise<number>;
  /** When the first of them was recorded; undefined for none. */
  oldestUnsealed(): Promise<Date | undefined>;
  /** The number of the last sealed record before the first one of `moment` or later; undefined for none. */
  lastBefore(moment: Date): Promise<number | undefined>;
  /** What was moved out last; undefined while all is here. */
  lastSegment(): Promise<AuditSegment | undefined>;
  /** Removes the records of a segment that stands in a file. False when another replica was faster. */
  moveOut(segment: AuditSegment): Promise<boolean>;
};

const BATCH = 200;

/** Of all locks that are named by a number in one database, this one is the sealer's. */
const SEALER_LOCK = 72_707_370;

/**
 * The chain of the audit trail (SP-37). Requests only insert records; what is committed is sealed behind them, so that
 * no request waits for another. Records that commit late come later in the chain: its order is that of sealing.
 */
export function createAuditChain(database: Database): AuditChain {
  const { prisma } = database;
  return {
    // The unique number lets one sealer win even where the lock is not held; the condition keeps a seal from being set twice.
    seal: () =>
      inOneCommit(database, async (within) => {
        if (!(await maySeal(within))) return 0;
        const rows = await within.prisma.auditEvent.findMany({
          where: { seq: null },
          orderBy: { id: 'asc' },
          take: BATCH,
        });
        if (rows.length === 0) return 0;
        await seal(within, sealsBehind(await headOf(within), rows));
        return rows.length;
      }),
    head: () => headOf(database),
    list: async ({ after, limit }) => {
      const rows = await prisma.auditEvent.findMany({
        where: { seq: { gt: BigInt(after) } },
        orderBy: { seq: 'asc' },
        take: limit,
      });
      return rows.map(toSealedRecord);
    },
    unsealed: () => prisma.auditEvent.count({ where: { seq: null } }),
    oldestUnsealed: async () => {
      const oldest = await prisma.auditEvent.findFirst({
        where: { seq: null },
        orderBy: { id: 'asc' },
        select: { time: true },
      });
      return oldest?.time;
    },
    lastBefore: async (moment) => {
      const { _min } = await prisma.auditEvent.aggregate({
        where: { seq: { not: null }, time: { gte: moment } },
        _min: { seq: true },
      });
      const { _max } = await prisma.auditEvent.aggregate({
        where: { seq: _min.seq === null ? { not: null } : { lt: _min.seq } },
        _max: { seq: true },
      });
      return _max.seq === null ? undefined : Number(_max.seq);
    },
    lastSegment: () => lastSegmentOf(database),
    moveOut: (segment) =>
      inTransaction(database, async (within) => {
        const before = await lastSegmentOf(within);
        if (segment.firstSeq !== (before?.lastSeq ?? CHAIN_START.seq) + 1) return false;
        await within.prisma.auditSegment.create({ data: segment });
        await within.prisma.auditEvent.deleteMany({ where: { seq: { lte: BigInt(segment.lastSeq) } } });
        return true;
      }),
  };
}

/** PostgreSQL: the lock ends with the transaction. SQLite has one writer at a time anyway. */
async function maySeal({ kind, prisma }: Database): Promise<boolean> {
  if (kind === 'sqlite') return true;
  const rows = await prisma.$queryRaw<{ locked: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(${SEALER_LOCK}) AS "locked"`;
  return rows[0]?.locked === true;
}

async function headOf(database: Database): Promise<ChainPosition> {
  const last = await database.prisma.auditEvent.findFirst({
    where: { seq: { not: null } },
    orderBy: { seq: 'desc' },
    select: { seq: true, hash: true },
  });
  if (last) return { seq: Number(last.seq), hash: last.hash ?? '' };
  const segment = await lastSegmentOf(database);
  return segment ? { seq: segment.lastSeq, hash: segment.lastHash } : CHAIN_START;
}

/** What is written into a record to give it its place. */
type Seal = { id: string; seq: number; previousHash: string; hash: string };

/** The seals of records that come behind `head`, in the order of the records. */
function sealsBehind(head: ChainPosition, rows: readonly AuditRow[]): Seal[] {
  let before = head;
  return rows.map((row) => {
    const [seq, previousHash] = [before.seq + 1, before.hash];
    const hash = recordHash({ ...membersOf(row), seq, previousHash });
    before = { seq, hash };
    return { id: row.id, seq, previousHash, hash };
  });
}

/** Both databases name the columns of a list of values `column1` and so on. */
async function seal({ prisma }: Database, seals: readonly Seal[]): Promise<void> {
  const values = seals.map(
    ({ id, seq, previousHash, hash }) => Prisma.sql`(${id}, CAST(${seq} AS BIGINT), ${previousHash}, ${hash})`,
  );
  const count = await prisma.$executeRaw`
    UPDATE "AuditEvent" SET "seq" = "seal"."column2", "previousHash" = "seal"."column3", "hash" = "seal"."column4"
    FROM (VALUES ${Prisma.join(values)}) AS "seal"
    WHERE "AuditEvent"."id" = "seal"."column1" AND "AuditEvent"."seq" IS NULL`;
  if (count !== seals.length) throw new Error('an audit record was sealed beside the sealer');
}

function toSealedRecord(row: AuditRow): SealedAuditRecord {
  return { seq: Number(row.seq), previousHash: row.previousHash ?? '', hash: row.hash ?? '', ...membersOf(row) };
}

function membersOf(row: AuditRow) {
  const { time, ...event } = toEvent(row);
  return { ...event, time: time.toISOString() };
}

async function lastSegmentOf({ prisma }: Database): Promise<AuditSegment | undefined> {
  const row = await prisma.auditSegment.findFirst({ orderBy: { lastSeq: 'desc' } });
  return row ? { ...row, firstSeq: Number(row.firstSeq), lastSeq: Number(row.lastSeq) } : undefined;
}
