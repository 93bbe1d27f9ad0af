import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { SealedAuditRecord } from '@portcullis/platform';
import { z } from 'zod';
import { CommandFailure } from '../failure.ts';

/** One line of an export, a segment or a file of anchors. */
export type AuditLine =
  | { kind: 'record'; record: SealedAuditRecord }
  /** A signed statement, not verified. */
  | { kind: 'anchor' | 'segment'; statement: string }
  | { kind: 'unreadable' };

const nonEmpty = z.string().min(1);
const members = z.record(z.string(), z.unknown());

/** What else stands in a record stays in it, and counts for its hash. */
const recordSchema = z.looseObject({
  seq: z.int().min(1),
  previousHash: nonEmpty,
  hash: nonEmpty,
  id: nonEmpty,
  time: nonEmpty,
  type: nonEmpty,
  outcome: z.enum(['success', 'error', 'denied']),
  subject: z.string().optional(),
  client: z.string().optional(),
  resource: z.string().optional(),
  tool: z.string().optional(),
  address: z.string().optional(),
  correlationId: z.string().optional(),
  durationMs: z.number().optional(),
  sizeBytes: z.number().optional(),
  arguments: members.optional(),
  detail: members.optional(),
});

const statementSchema = z.union([
  z.object({ anchor: z.string() }).transform(({ anchor }) => ({ kind: 'anchor', statement: anchor }) as const),
  z.object({ segment: z.string() }).transform(({ segment }) => ({ kind: 'segment', statement: segment }) as const),
]);

/** Reads one line of JSON. */
function readAuditLine(text: string): AuditLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { kind: 'unreadable' };
  }
  const record = recordSchema.safeParse(json);
  if (record.success) return { kind: 'record', record: record.data };
  return statementSchema.safeParse(json).data ?? { kind: 'unreadable' };
}

/** Reads a file line by line, without empty ones. @throws {CommandFailure} when it cannot be read */
export async function* auditLinesOf(file: string): AsyncGenerator<AuditLine> {
  try {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() !== '') yield readAuditLine(line);
    }
  } catch (cause) {
    throw new CommandFailure('usage', `${file} cannot be read.`, { cause });
  }
}
