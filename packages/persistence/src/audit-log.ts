import { type AuditEvent, type AuditSink, hasCanonicalForm, timeOrderedIds } from '@portcullis/platform';
import type { Database } from './database.ts';
import { type AuditEvent as AuditRow, Prisma } from './generated/postgresql/client.ts';
import { type AuditEventRow, auditEventValues, INSERT_AUDIT_EVENT, INSERT_AUDIT_EVENTS } from './statements/inserts.ts';
import { together } from './statements/together.ts';
import { inOneCommit } from './transaction.ts';

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

/** Whom records concern; a record may name neither. */
export type AuditParties = { subject?: string; client?: string };

export type AuditLog = AuditSink & {
  /**
   * Stores records whose ids somebody else chose, and those that are there already never again.
   *
   * @returns how many are new
   */
  recordOnce(events: readonly (AuditEvent & { id: string })[]): Promise<number>;
  /**
   * The users and apps that called a tool since a moment, not in the hour before it, and also earlier than six days before
   * it; each with its last call, at most 1000.
   */
  callersWhoCameBack(since: Date): Promise<{ subject: string; client: string; last: Date }[]>;
  /** The hours in which a user called tools with an app, each by its beginning. */
  callHours(o: { subject: string; client: string; since: Date; until: Date }): Promise<Date[]>;
  /**
   * How many records there are of each user and app that have at least so many, the most first and at most 1000 of them;
   * records that name neither, and raised anomalies, do not count.
   */
  countByParties(
    filter: Pick<AuditFilter, 'type' | 'outcome'> & { since: Date; atLeast: number },
  ): Promise<(AuditParties & { count: number })[]>;
  /** Newest first. */
  list(filter?: AuditFilter): Promise<RecordedAuditEvent[]>;
};

const MOST_PARTIES = 1000;
const HOUR_MS = 3_600_000;

/** The audit trail's rows (SP-37). Nothing here changes or removes one. */
export function createAuditLog(database: Database): AuditLog {
  const { prisma } = database;
  const insert = insertOf(database);
  const nextId = timeOrderedIds();
  return {
    record: async (event) => {
      await insert(toRow(nextId(event.time), event));
      database.noteRecorded(event);
    },
    recordOnce: (events) =>
      inOneCommit(database, async (within) => {
        const rows = [...new Map(events.map((event) => [event.id, toRow(event.id, event)])).values()];
        const there = await within.prisma.auditEvent.findMany({
          where: { id: { in: rows.map(({ id }) => id) } },
          select: { id: true },
        });
        const known = new Set(there.map(({ id }) => id));
        // One that comes in between breaks the key, and all of it is done over.
        const { count } = await within.prisma.auditEvent.createMany({ data: rows.filter(({ id }) => !known.has(id)) });
        return count;
      }),
    callersWhoCameBack: async (since) => {
      const hourBefore = new Date(since.getTime() - HOUR_MS);
      const daysBefore = new Date(since.getTime() - 6 * 24 * HOUR_MS);
      const called = Prisma.sql`SELECT 1 FROM "AuditEvent" "earlier" WHERE "earlier"."type" = 'tool.called'
        AND "earlier"."subject" = "recent"."subject" AND "earlier"."client" = "recent"."client"`;
      const rows = await prisma.$queryRaw<{ subject: string; client: string; last: string | Date }[]>`
        SELECT "subject", "client", "last" FROM (
          SELECT "subject", "client", MAX("time") AS "last" FROM "AuditEvent"
          WHERE "type" = 'tool.called' AND "time" >= ${since} GROUP BY "subject", "client"
        ) AS "recent"
        WHERE EXISTS (${called} AND "earlier"."time" < ${daysBefore})
          AND NOT EXISTS (${called} AND "earlier"."time" >= ${hourBefore} AND "earlier"."time" < ${since})
        LIMIT ${MOST_PARTIES}`;
      return rows.map(({ last, ...parties }) => ({ ...parties, last: new Date(last) }));
    },
    callHours: async ({ subject, client, since, until }) => {
      // Times are ISO 8601 in text in SQLite, and begin with their hour.
      const hour =
        database.kind === 'sqlite'
          ? Prisma.sql`substr("time", 1, 13)`
          : Prisma.sql`to_char("time", 'YYYY-MM-DD"T"HH24')`;
      const rows = await prisma.$queryRaw<{ hour: string }[]>`
        SELECT DISTINCT ${hour} AS "hour" FROM "AuditEvent"
        WHERE "type" = 'tool.called' AND "subject" = ${subject} AND "client" = ${client}
          AND "time" >= ${since} AND "time" < ${until}`;
      return rows.map((row) => new Date(`${row.hour}:00:00Z`));
    },
    countByParties: async ({ type, outcome, since, atLeast }) => {
      const groups = await prisma.auditEvent.groupBy({
        by: ['subject', 'client'],
        where: {
          type: type ?? { not: 'anomaly.raised' },
          ...(outcome !== undefined && { outcome }),
          time: { gte: since },
          OR: [{ subject: { not: null } }, { client: { not: null } }],
        },
        having: { id: { _count: { gte: atLeast } } },
        _count: { id: true },
        orderBy: { _count: { id: 'desc' } },
        take: MOST_PARTIES,
      });
      return groups.map(({ subject, client, _count }) => ({
        ...(subject !== null && { subject }),
        ...(client !== null && { client }),
        count: _count.id,
      }));
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

/** Makes one record durable. Those that come at the same time share a statement, as they share a commit on SQLite. */
function insertOf({ kind, isTransaction, statements }: Database): (row: AuditEventRow) => Promise<unknown> {
  const alone = (row: AuditEventRow): Promise<unknown> => statements.run(INSERT_AUDIT_EVENT, ...auditEventValues(row));
  if (kind === 'sqlite' || isTransaction) return alone;
  return together({
    all: async (rows: readonly AuditEventRow[]) => {
      await statements.run(INSERT_AUDIT_EVENTS, JSON.stringify(rows));
      return rows.map(() => undefined);
    },
    alone,
  });
}

/** The row of an event under an id that {@link timeOrderedIds} made. */
export function toRow(id: string, event: AuditEvent): AuditEventRow {
  return {
    id,
    time: event.time,
    type: event.type,
    outcome: event.outcome,
    subject: storable(event.subject),
    client: storable(event.client),
    resource: storable(event.resource),
    tool: storable(event.tool),
    arguments: storableJson(event.arguments),
    sizeBytes: event.sizeBytes ?? null,
    durationMs: event.durationMs === undefined ? null : Math.round(event.durationMs),
    address: storable(event.address),
    correlationId: storable(event.correlationId),
    detail: storableJson(event.detail),
  };
}

/**
 * What is recorded may come from an attacker: PostgreSQL refuses U+0000 in text, and canonical JSON has no place for
 * half a surrogate pair.
 */
function storable(text: string | undefined): string | null {
  return text === undefined ? null : text.toWellFormed().replaceAll('\0', '\u{fffd}');
}

function storableJson(value: Readonly<Record<string, unknown>> | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** A row as it was recorded. */
export function toEvent({ seq, previousHash, hash, ...row }: AuditRow): RecordedAuditEvent {
  const { id, time, type, outcome, arguments: redacted, detail, ...optional } = row;
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null));
  return {
    id,
    time,
    type,
    outcome,
    ...given,
    ...(redacted !== null && { arguments: storedJson(redacted) }),
    ...(detail !== null && { detail: storedJson(detail) }),
  };
}

/** A half of a surrogate pair as JSON escapes it; the backslashes before it come in pairs. */
const HALF_SURROGATE = /(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}/g;

/**
 * Reads what {@link storableJson} wrote. It reads everything else too: a row that somebody put there by hand must not
 * keep those after it from being sealed and shown.
 */
function storedJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text.toWellFormed().replaceAll(HALF_SURROGATE, '$1\\ufffd'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && hasCanonicalForm(value) ? { ...value } : unreadable(text);
  } catch {
    return unreadable(text);
  }
}

function unreadable(text: string): Readonly<Record<string, unknown>> {
  return { unreadable: text.toWellFormed() };
}
