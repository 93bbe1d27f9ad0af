import { CHAIN_START, type ChainPosition, recordHash, type SealedAuditRecord } from '@portcullis/platform';
import { toEvent } from './audit-log.ts';
import type { Database } from './database.ts';
import { type AuditEvent as AuditRow, Prisma } from './generated/postgresql/client.ts';
import { columnsOf, type RunNow, reading, writing } from './statements/statement.ts';
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
    seal: () =>
      database.kind === 'sqlite' ? database.statements.inOneCommit(sealNow) : inOneCommit(database, sealWithin),
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

const AUDIT_COLUMNS = columnsOf('AuditEvent', Prisma.AuditEventScalarFieldEnum);

/** The oldest records that have no place. */
const UNSEALED = reading(
  'auditEvent.unsealed',
  `SELECT ${AUDIT_COLUMNS} FROM "AuditEvent" WHERE "seq" IS NULL ORDER BY "id" LIMIT ${BATCH}`,
);

/** The last place in the chain, first that of a record, then that of a segment. */
const HEADS = reading(
  'auditEvent.head',
  `SELECT "seq", "hash", 1 AS "place" FROM (SELECT "seq", "hash" FROM "AuditEvent" WHERE "seq" IS NOT NULL ORDER BY "seq" DESC LIMIT 1) AS "record"
   UNION ALL
   SELECT "lastSeq", "lastHash", 2 FROM (SELECT "lastSeq", "lastHash" FROM "AuditSegment" ORDER BY "lastSeq" DESC LIMIT 1) AS "segment"
   ORDER BY "place"`,
);

/** SQLite only. `$1`: a record, `$2`: its number, `$3`: the hash of the one before, `$4`: its own. */
const SEAL = writing(
  'auditEvent.seal',
  `UPDATE "AuditEvent" SET "seq" = $2, "previousHash" = $3, "hash" = $4 WHERE "id" = $1 AND "seq" IS NULL RETURNING "id"`,
);

/** PostgreSQL only. `$1`: a list of {@link Seal} in JSON. */
const SEAL_ALL = writing(
  'auditEvent.sealMany',
  `UPDATE "AuditEvent" SET "seq" = "seal"."seq", "previousHash" = "seal"."previousHash", "hash" = "seal"."hash"
   FROM json_to_recordset($1::json) AS "seal" ("id" text, "seq" bigint, "previousHash" text, "hash" text)
   WHERE "AuditEvent"."id" = "seal"."id" AND "AuditEvent"."seq" IS NULL`,
);

type Head = { seq: bigint; hash: string | null };

/** SQLite has one writer at a time: nobody seals beside this. */
function sealNow(run: RunNow): number {
  const rows = run<AuditRow>(UNSEALED);
  if (rows.length === 0) return 0;
  for (const { id, seq, previousHash, hash } of sealsBehind(headFrom(run<Head>(HEADS)), rows))
    if (run(SEAL, id, seq, previousHash, hash).length !== 1) throw sealedBeside();
  return rows.length;
}

/** The unique number lets one sealer win even where the lock is not held; the condition keeps a seal from being set twice. */
async function sealWithin(within: Database): Promise<number> {
  const { prisma, statements } = within;
  if (!(await maySeal(within))) return 0;
  const rows = await statements.run<AuditRow>(UNSEALED);
  if (rows.length === 0) return 0;
  const seals = sealsBehind(headFrom(await statements.run<Head>(HEADS)), rows);
  const count = await prisma.$executeRawUnsafe(SEAL_ALL.postgresql, JSON.stringify(seals));
  if (count !== rows.length) throw sealedBeside();
  return rows.length;
}

function sealedBeside(): Error {
  return new Error('an audit record was sealed beside the sealer');
}

/** The lock ends with the transaction. */
async function maySeal({ prisma }: Database): Promise<boolean> {
  const rows = await prisma.$queryRaw<{ locked: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(${SEALER_LOCK}) AS "locked"`;
  return rows[0]?.locked === true;
}

async function headOf({ statements }: Database): Promise<ChainPosition> {
  return headFrom(await statements.run<Head>(HEADS));
}

function headFrom([last]: readonly Head[]): ChainPosition {
  return last ? { seq: Number(last.seq), hash: last.hash ?? '' } : CHAIN_START;
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
