import {
  type AuditChain,
  createAuditChain,
  createAuditLog,
  type Database,
  inTransaction,
} from '@portcullis/persistence';
import { CHAIN_START, type ChainPosition, type Clock, type Logger } from '@portcullis/platform';
import { decodeJwt } from 'jose';
import { z } from 'zod';
import type { KeyRing } from '../keys/key-ring.ts';
import type { Metrics } from '../metrics.ts';
import { anchorFile } from './anchor-file.ts';
import { watchForAnomalies } from './anomaly-watch.ts';
import { type AuditPolicy, isDue, moveOutBefore, SEGMENT_RECORDS } from './retention.ts';
import { writeSegment } from './segment-file.ts';
import { type ChainStatement, signStatement } from './statement.ts';

/** What looks after the audit trail behind the requests. Every replica does all of it. */
export type AuditKeeper = {
  /** Gives committed records their place in the chain; once a second. Returns how many. */
  seal(): Promise<number>;
  /** Signs the end of the chain and writes that beside the database, if it has moved; at least once a minute. */
  anchor(): Promise<void>;
  /** Looks for what somebody should look at; once a minute. Returns how much was raised. */
  watch(): Promise<number>;
  /** Moves records out that are older than they are kept; once an hour. Returns how many. */
  moveOut(): Promise<number>;
};

/** What the keeper works with. */
export type AuditKeeperDeps = {
  database: Database;
  /** Opens the database as the role that owns the tables, where that is another one. */
  openAsOwner?: (() => Promise<Database>) | undefined;
  issuer: string;
  dataFolder: string;
  policy: AuditPolicy;
  keyRing: Pick<KeyRing, 'current'>;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
};

const positionSchema = z.object({ seq: z.int(), hash: z.string() });

/** Makes the keeper of one replica's audit trail (SP-37). */
export function createAuditKeeper(deps: AuditKeeperDeps): AuditKeeper {
  const { database, dataFolder, clock } = deps;
  const chain = createAuditChain(database);
  const anchors = anchorFile(dataFolder);
  const sign = statementSigner(deps);
  let anchored: ChainPosition | undefined;
  return {
    async seal() {
      let sealed = 0;
      let count: number;
      do {
        count = await chain.seal();
        sealed += count;
      } while (count > 0);
      return sealed;
    },
    async anchor() {
      anchored ??= await lastAnchored(anchors);
      const head = await chain.head();
      if (head.seq === anchored.seq && head.hash === anchored.hash) return;
      if (!(await isStillThere(anchored, chain))) await reportRewriting(anchored, deps);
      await anchors.append(await sign(head));
      anchored = head;
    },
    watch: async () => (await watchForAnomalies(clock(), { database, metrics: deps.metrics.tokens })).length,
    async moveOut() {
      const before = moveOutBefore(deps.policy, clock());
      return before ? moveOutUpTo(before, { deps, chain, sign }) : 0;
    },
  };
}

/** Signs statements about this server's chain. */
export function statementSigner({ issuer, keyRing, clock }: Pick<AuditKeeperDeps, 'issuer' | 'keyRing' | 'clock'>) {
  return (statement: ChainStatement) => signStatement(statement, { issuer, keySet: keyRing.current(), now: clock() });
}

async function lastAnchored(anchors: ReturnType<typeof anchorFile>): Promise<ChainPosition> {
  const last = await anchors.last();
  return last === undefined ? CHAIN_START : positionSchema.parse(decodeJwt(last));
}

/** Whether the record that was anchored last is there as it was, or was moved out. */
async function isStillThere(anchored: ChainPosition, chain: AuditChain): Promise<boolean> {
  if (anchored.seq === CHAIN_START.seq) return true;
  const [record] = await chain.list({ after: anchored.seq - 1, limit: 1 });
  if (record?.seq === anchored.seq) return record.hash === anchored.hash;
  const segment = await chain.lastSegment();
  return segment !== undefined && segment.lastSeq >= anchored.seq;
}

/** The anchors keep what was there. Nothing is stopped: what happens from now on has to be recorded as well. */
async function reportRewriting(
  anchored: ChainPosition,
  { database, metrics, clock, log }: AuditKeeperDeps,
): Promise<void> {
  const { seq } = anchored;
  log.error({ seq }, 'the audit trail is not what it was: run `portcullis audit verify` with the file of anchors');
  metrics.tokens.anomaly('audit_trail_rewritten');
  const detail = { kind: 'audit_trail_rewritten', seq };
  await createAuditLog(database).record({ time: clock(), type: 'anomaly.raised', outcome: 'error', detail });
}

type MovingOut = { deps: AuditKeeperDeps; chain: AuditChain; sign(statement: ChainStatement): Promise<string> };

async function moveOutUpTo(before: Date, { deps, chain, sign }: MovingOut): Promise<number> {
  let moved = 0;
  for (;;) {
    const [oldest] = await chain.list({ after: 0, limit: 1 });
    if (!oldest || (moved === 0 && !isDue(new Date(oldest.time), before))) return moved;
    const due = await chain.lastBefore(before);
    if (due === undefined || due < oldest.seq) return moved;
    const segment = await chain.lastSegment();
    const behind = segment ? { seq: segment.lastSeq, hash: segment.lastHash } : CHAIN_START;
    const lastSeq = Math.min(due, behind.seq + SEGMENT_RECORDS);
    const file = await writeSegment(
      { behind, lastSeq },
      { chain, folder: deps.dataFolder, sign: (last) => sign({ ...last, firstSeq: behind.seq + 1 }) },
    );
    const { statement, last } = file;
    const closed = { firstSeq: behind.seq + 1, lastSeq, lastHash: last.hash, statement, closedAt: deps.clock() };
    if (!(await removeMoved(closed, deps))) {
      await file.discard();
      return moved;
    }
    moved += lastSeq - behind.seq;
  }
}

/** Removing takes the owner of the tables: the serving role cannot, where they are two. */
async function removeMoved(
  segment: Parameters<AuditChain['moveOut']>[0],
  { database, openAsOwner, clock }: AuditKeeperDeps,
): Promise<boolean> {
  const owner = openAsOwner ? await openAsOwner() : database;
  try {
    return await inTransaction(owner, async (within) => {
      if (!(await createAuditChain(within).moveOut(segment))) return false;
      const { firstSeq, lastSeq } = segment;
      const detail = { firstSeq, lastSeq };
      await createAuditLog(within).record({ time: clock(), type: 'audit.moved_out', outcome: 'success', detail });
      return true;
    });
  } finally {
    if (owner !== database) await owner.close();
  }
}
