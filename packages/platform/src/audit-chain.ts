import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { AuditOutcome } from './audit-event.ts';

/** Where a chain begins: what the first record names as the hash before it. */
export const CHAIN_START: ChainPosition = { seq: 0, hash: '0'.repeat(64) };

/** A record's place in a chain: it counts from 1 without gaps; `hash` is 64 hexadecimal digits. */
export type ChainPosition = Readonly<{ seq: number; hash: string }>;

/** An audit record with its place in the chain, as it is exported. Members that it has no value for are not there. */
export type SealedAuditRecord = Readonly<{
  seq: number;
  previousHash: string;
  hash: string;
  id: string;
  /** ISO 8601 in UTC, with milliseconds. */
  time: string;
  type: string;
  outcome: AuditOutcome;
  subject?: string | undefined;
  client?: string | undefined;
  resource?: string | undefined;
  tool?: string | undefined;
  address?: string | undefined;
  correlationId?: string | undefined;
  durationMs?: number | undefined;
  sizeBytes?: number | undefined;
  arguments?: Readonly<Record<string, unknown>> | undefined;
  detail?: Readonly<Record<string, unknown>> | undefined;
}>;

/**
 * The hash of a record: SHA-256, in hexadecimal digits, of the record without its own `hash` in canonical JSON. The
 * number and the hash before it are part of it, so that a record counts at its place only.
 *
 * @see RFC 8785
 */
export function recordHash({ hash: _own, ...sealed }: Omit<SealedAuditRecord, 'hash'> & { hash?: string }): string {
  return createHash('sha256')
    .update(canonicalize(sealed) ?? '')
    .digest('hex');
}

/**
 * Whether a record that holds this value has a hash. Not every value of JSON has a canonical form: `1e999` is read as an
 * infinite number.
 *
 * @see RFC 8785, section 3.2.2.3
 */
export function hasCanonicalForm(value: unknown): boolean {
  try {
    canonicalize(value);
    return true;
  } catch {
    return false;
  }
}

/**
 * What is wrong with a record that should follow a place in the chain:
 *
 * - `changed`: its hash is not that of what it says
 * - `missing`: records between are not there
 * - `repeated`: its number, or a higher one, was there before
 * - `unlinked`: the record before it is not the one that it was sealed after
 */
export type ChainBreak = 'changed' | 'missing' | 'repeated' | 'unlinked';

/** Judges a record by itself and against the place it should follow; undefined when it follows. */
export function chainBreak(before: ChainPosition, record: SealedAuditRecord): ChainBreak | undefined {
  if (recordHash(record) !== record.hash) return 'changed';
  if (record.seq > before.seq + 1) return 'missing';
  if (record.seq <= before.seq) return 'repeated';
  return record.previousHash === before.hash ? undefined : 'unlinked';
}
