import { randomBytes } from 'node:crypto';
import type { AuditEvent, AuditSink } from '@portcullis/platform';
import type { Database } from './database.ts';
import type { AuditEvent as AuditRow } from './generated/postgresql/client.ts';

export type RecordedAuditEvent = Omit<AuditEvent, 'type'> & { id: string; type: string };

/** Each given field narrows the list. */
export type AuditFilter = {
  type?: string;
  outcome?: AuditEvent['outcome'];
  subject?: string;
  client?: string;
  correlationId?: string;
  /** From this moment on. */
  since?: Date;
  /** Before this moment. */
  until?: Date;
  /** Only what came before the event with this id: the last of a page leads to the next. */
  before?: string;
  /** 1 to 1000; default 100. */
  limit?: number;
};

export type AuditLog = AuditSink & {
  /** Newest first. */
  list(filter?: AuditFilter): Promise<RecordedAuditEvent[]>;
};

/** The audit trail's rows (SP-37). Nothing here changes or removes one. */
export function createAuditLog({ prisma }: Database): AuditLog {
  const nextId = timeOrderedIds();
  return {
    record: async (event) => {
      await prisma.auditEvent.create({ data: toRow(nextId(event.time), event) });
    },
    list: async ({ since, until, before, limit = 100, type, outcome, subject, client, correlationId } = {}) => {
      const rows = await prisma.auditEvent.findMany({
        where: {
          ...(type !== undefined && { type }),
          ...(outcome !== undefined && { outcome }),
          ...(subject !== undefined && { subject }),
          ...(client !== undefined && { client }),
          ...(correlationId !== undefined && { correlationId }),
          ...(before !== undefined && { id: { lt: before } }),
          time: { ...(since && { gte: since }), ...(until && { lt: until }) },
        },
        orderBy: { id: 'desc' },
        take: Math.min(Math.max(limit, 1), 1000),
      });
      return rows.map(toEvent);
    },
  };
}

/**
 * Ids that sort by time, and within a millisecond in the order of one process's calls:
 * 12 hexadecimal digits of milliseconds, 4 of a counter, 16 of chance.
 */
function timeOrderedIds(): (time: Date) => string {
  let lastMs = 0;
  let counter = 0;
  return (time) => {
    const ms = time.getTime();
    counter = ms === lastMs ? (counter + 1) & 0xffff : 0;
    lastMs = ms;
    return `${hexadecimal(ms, 12)}${hexadecimal(counter, 4)}${randomBytes(8).toString('hex')}`;
  };
}

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function toRow(id: string, event: AuditEvent) {
  return {
    id,
    time: event.time,
    type: event.type,
    outcome: event.outcome,
    subject: storable(event.subject),
    client: storable(event.client),
    resource: storable(event.resource),
    tool: storable(event.tool),
    arguments: event.arguments ? JSON.stringify(event.arguments) : null,
    sizeBytes: event.sizeBytes ?? null,
    durationMs: event.durationMs === undefined ? null : Math.round(event.durationMs),
    address: storable(event.address),
    correlationId: storable(event.correlationId),
    detail: event.detail ? JSON.stringify(event.detail) : null,
  };
}

/** What is recorded may come from an attacker, and PostgreSQL refuses U+0000 in text. */
function storable(text: string | undefined): string | null {
  return text === undefined ? null : text.replaceAll('\0', '\u{fffd}');
}

function toEvent({ seq, previousHash, hash, ...row }: AuditRow): RecordedAuditEvent {
  const { id, time, type, outcome, arguments: redacted, detail, ...optional } = row;
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null));
  return {
    id,
    time,
    type,
    outcome,
    ...given,
    ...(redacted !== null && { arguments: JSON.parse(redacted) }),
    ...(detail !== null && { detail: JSON.parse(detail) }),
  };
}
