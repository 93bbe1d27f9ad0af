import {
  CHAIN_START,
  type ChainBreak,
  type ChainPosition,
  chainBreak,
  type SealedAuditRecord,
} from '@portcullis/platform';
import type { Statement } from './statement.ts';

/** Why a record is not what it should be: its chain is broken there, or another one was anchored in its place. */
export type BrokenRecord = {
  seq: number;
  id: string;
  problem: ChainBreak | 'replaced';
  /** The place that it should follow. */
  behind: number;
  /** When another record was anchored there. */
  anchoredAt?: Date;
};

/** What came of looking at a chain. */
export type Verification = {
  /** How many records were looked at. */
  records: number;
  /** Records up to this number were moved out, and not looked at; 0 for none. */
  movedOutUpTo: number;
  last: ChainPosition;
  /** The first record that is broken; nothing behind it was looked at. */
  broken: BrokenRecord | undefined;
  /** Records that were anchored and are not there any more. */
  truncated: { from: number; to: number; anchoredAt: Date } | undefined;
  /** The newest anchor whose record is there as it was. */
  anchoredUpTo: Statement | undefined;
  /** How many records came after the newest anchor. */
  unanchored: number;
  /** The first of these. */
  unanchoredTail: SealedAuditRecord[];
};

/** Looks at records one by one. */
export type Verifier = {
  /** False once something is broken: what comes behind that tells nothing. */
  take(record: SealedAuditRecord): boolean;
  finish(): Verification;
};

/** So many records of the tail are named; all are counted. */
const TAIL_SHOWN = 1000;

/**
 * Verifies a chain, record by record, against statements that were made about it.
 *
 * Not checked: whether a record is true. Who could write records when they were made could write false ones.
 */
export function createVerifier(statements: readonly Statement[]): Verifier {
  const bySeq = Map.groupBy(statements, ({ seq }) => seq);
  const newest = Math.max(0, ...bySeq.keys());
  let first: ChainPosition | undefined;
  let last: ChainPosition = CHAIN_START;
  let broken: BrokenRecord | undefined;
  let records = 0;
  let unanchored = 0;
  let anchoredUpTo: Statement | undefined;
  const unanchoredTail: SealedAuditRecord[] = [];

  return {
    take(record) {
      if (broken) return false;
      if (first === undefined) {
        first = beginning(record, bySeq);
        last = first;
      }
      broken = breakOf(record, { behind: last, statements: bySeq.get(record.seq) ?? [] });
      if (broken) return false;
      records += 1;
      last = { seq: record.seq, hash: record.hash };
      anchoredUpTo = bySeq.get(record.seq)?.[0] ?? anchoredUpTo;
      if (record.seq > newest) {
        unanchored += 1;
        if (unanchoredTail.length < TAIL_SHOWN) unanchoredTail.push(record);
      }
      return true;
    },
    finish() {
      const [latest] = bySeq.get(newest) ?? [];
      const truncated =
        latest && !broken && newest > last.seq
          ? { from: last.seq + 1, to: newest, anchoredAt: latest.signedAt }
          : undefined;
      const movedOutUpTo = first?.seq ?? CHAIN_START.seq;
      return { records, movedOutUpTo, last, broken, truncated, anchoredUpTo, unanchored, unanchoredTail };
    },
  };
}

/** Where a chain may begin: at its start, or behind what a signed statement says was moved out. */
function beginning({ seq }: SealedAuditRecord, bySeq: ReadonlyMap<number, readonly Statement[]>): ChainPosition {
  return bySeq.get(seq - 1)?.find(({ firstSeq }) => firstSeq !== undefined) ?? CHAIN_START;
}

function breakOf(
  record: SealedAuditRecord,
  { behind, statements }: { behind: ChainPosition; statements: readonly Statement[] },
): BrokenRecord | undefined {
  const named = { seq: record.seq, id: record.id, behind: behind.seq };
  const problem = chainBreak(behind, record);
  if (problem) return { ...named, problem };
  const other = statements.find(({ hash }) => hash !== record.hash);
  return other && { ...named, problem: 'replaced', anchoredAt: other.signedAt };
}

/** The same in a sentence. */
export function brokenInWords({ seq, id, problem, behind, anchoredAt }: BrokenRecord): string {
  const record = `Record ${seq} (${id})`;
  switch (problem) {
    case 'changed':
      return `${record} is not what was sealed: it was changed, or is forged.`;
    case 'missing':
      return `${record} comes where record ${behind + 1} should be: records were removed, or put in another order.`;
    case 'repeated':
      return `${record} comes again where record ${behind + 1} should be: records were put in another order.`;
    case 'unlinked':
      return `${record} does not follow record ${behind}: one of the two was replaced.`;
    case 'replaced':
      return `${record} is not the one that was anchored on ${anchoredAt?.toISOString()}: it was replaced later.`;
  }
}
