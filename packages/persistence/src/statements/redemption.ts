import type { Database } from '../database.ts';
import type { Grant } from '../generated/postgresql/client.ts';
import {
  AUDIT_EVENT_PART,
  type AuditEventRow,
  auditEventValues,
  type Column,
  INSERT_AUDIT_EVENT,
  INSERT_REFRESH_TOKEN,
  REFRESH_TOKEN_PART,
  type RefreshTokenRow,
  refreshTokenValues,
  typed,
} from './inserts.ts';
import { reading, type Statement, type StatementValue, writing } from './statement.ts';
import { together } from './together.ts';

/** One redemption, as rows and values. */
export type RedemptionRows = {
  grantId: string;
  /** What the grant says must be that still, null for nothing. */
  tokensEndedUntil: Date | null;
  /** When the grant's last use was by then, this one is noted. */
  useDueSince: Date;
  /** The hash of what was presented. */
  id: string;
  /** What is noted about it, by the {@link Consumable}'s columns. */
  noted: Readonly<Record<string, StatementValue>>;
  /** Stored only if what was presented is consumed. */
  issued: RefreshTokenRow | undefined;
  event: AuditEventRow;
  now: Date;
};

/** What a grant was like when the redemption came to it, and whether anything was written. */
export type RedemptionOutcome = { grant: HeldGrant | undefined; consumed: boolean };

/**
 * Consumes what was presented, stores what is issued for it, notes the use of the grant and records the event: all of it,
 * or nothing where the grant is not as it was read or somebody else was first. The grant is kept from ending meanwhile:
 * whoever revokes it either came before, or waits, and finds what was issued.
 */
export type WriteRedemption = (rows: RedemptionRows) => Promise<RedemptionOutcome>;

type HeldGrant = Pick<Grant, 'expiresAt' | 'tokensEndedUntil'>;

/** A table of things that are redeemed once, and the statements for it. */
type Consumable = ReturnType<typeof consumable>;

/** The values of {@link RedemptionRows} that are no rows of a table. */
const ASKED: readonly Column[] = [
  ['id'],
  ['grantId'],
  ['now', 'timestamp(3)'],
  ['tokensEndedUntil', 'timestamp(3)'],
  ['useDueSince', 'timestamp(3)'],
];

/** Null for `expiresAt` leaves that as it is. */
export const REFRESH_TOKEN = consumable('RefreshToken', [
  ['expiresAt', 'timestamp(3)'],
  ['successorId'],
  ['requestFingerprint'],
  ['sealedAnswer'],
  ['answerExpiresAt', 'timestamp(3)'],
]);

/** Nothing but that it was redeemed. */
export const AUTHORIZATION_CODE = consumable('AuthorizationCode', []);

/**
 * Makes what writes redemptions; on PostgreSQL those of the same moment share a statement, as they share a commit on SQLite.
 * None holds two of what is presented twice, and none waits for a grant that somebody else has locked: those are by themselves.
 */
export function redemptionWriter(database: Database, of: Consumable): WriteRedemption {
  if (database.kind === 'sqlite') return (rows) => writeOnSqlite(database, of, rows);
  const alone = async (rows: RedemptionRows) =>
    (await writeOnPostgresql(database, of.redeem, [rows])).get(rows.id) ?? NO_GRANT;
  const all = async (redemptions: readonly RedemptionRows[]) => {
    const outcomes = await writeOnPostgresql(database, of.redeemShared, redemptions);
    return redemptions.map((rows) => outcomes.get(rows.id) ?? alone(rows));
  };
  const withOthers = together({ all, alone });
  const underWay = new Set<string>();
  return async (rows) => {
    if (underWay.has(rows.id)) return alone(rows);
    underWay.add(rows.id);
    try {
      return await withOthers(rows);
    } finally {
      underWay.delete(rows.id);
    }
  };
}

const NO_GRANT: RedemptionOutcome = { grant: undefined, consumed: false };

/** By what was presented, each different; without those whose grant is gone, or locked where that is not waited for. */
async function writeOnPostgresql(
  { statements }: Database,
  redeem: Statement,
  redemptions: readonly RedemptionRows[],
): Promise<Map<string, RedemptionOutcome>> {
  const list = redemptions.map(({ noted, issued, event, ...asked }) => ({
    ...asked,
    ...noted,
    ...AUDIT_EVENT_PART.of(event),
    ...REFRESH_TOKEN_PART.of(issued),
  }));
  const rows = await statements.run<HeldGrant & { id: string; consumed: boolean }>(redeem, JSON.stringify(list));
  return new Map(rows.map(({ id, consumed, ...grant }) => [id, { grant, consumed }]));
}

function writeOnSqlite({ statements }: Database, of: Consumable, rows: RedemptionRows): Promise<RedemptionOutcome> {
  const { grantId, tokensEndedUntil, useDueSince, id, noted, issued, event, now } = rows;
  return statements.inOneCommit((run) => {
    const [grant] = run<HeldGrant>(HELD_GRANT, grantId);
    if (!grant || grant.expiresAt <= now || grant.tokensEndedUntil?.getTime() !== tokensEndedUntil?.getTime())
      return { grant, consumed: false };
    if (run(of.consume, id, now, ...of.notes.map((name) => noted[name] ?? null)).length === 0)
      return { grant, consumed: false };
    if (issued) run(INSERT_REFRESH_TOKEN, ...refreshTokenValues(issued));
    run(NOTE_USE, grantId, now, useDueSince);
    run(INSERT_AUDIT_EVENT, ...auditEventValues(event));
    return { grant, consumed: true };
  });
}

const HELD_GRANT = reading('redemption.grant', `SELECT "expiresAt", "tokensEndedUntil" FROM "Grant" WHERE "id" = $1`);

const NOTE_USE = writing(
  'redemption.use',
  `UPDATE "Grant" SET "lastUsedAt" = $2 WHERE "id" = $1 AND ("lastUsedAt" IS NULL OR "lastUsedAt" <= $3)`,
);

/**
 * @param notes the columns that a redemption sets beside when it was; null leaves `expiresAt` as it is
 */
function consumable(table: string, notes: readonly Column[]) {
  const set = (value: (name: string, index: number) => string) =>
    notes.map(([name], index) => {
      const given = value(name, index);
      return `, "${name}" = ${name === 'expiresAt' ? `COALESCE(${given}, "t"."expiresAt")` : given}`;
    });
  /**
   * One statement does everything. Its parts join each other, so that where a row was changed by somebody who had it locked, they
   * look at it as it is now: what a part that is asked beside the join would say then is not defined. Grants are looked up one
   * by one, so that the table is never read as a whole.
   */
  const redeem = (name: string, lock: string) =>
    writing(
      `redemption.${table}${name}`,
      `WITH "asked" AS MATERIALIZED (
        SELECT * FROM json_to_recordset($1::json)
          AS "row" (${typed([...ASKED, ...notes, ...AUDIT_EVENT_PART.columns, ...REFRESH_TOKEN_PART.columns])})
      ), "held" AS MATERIALIZED (
        SELECT "grant".* FROM (SELECT DISTINCT "grantId" AS "id" FROM "asked") AS "of"
        CROSS JOIN LATERAL (
          SELECT "id", "expiresAt", "tokensEndedUntil" FROM "Grant" WHERE "id" = "of"."id" ${lock}
        ) AS "grant"
      ), "consumed" AS (
        UPDATE "${table}" AS "t" SET "consumedAt" = "asked"."now"${set((name) => `"asked"."${name}"`).join('')}
        FROM "asked" JOIN "held" ON "held"."id" = "asked"."grantId"
        WHERE "t"."id" = "asked"."id" AND "t"."consumedAt" IS NULL
          AND "held"."expiresAt" > "asked"."now"
          AND "held"."tokensEndedUntil" IS NOT DISTINCT FROM "asked"."tokensEndedUntil"
        RETURNING "asked".*
      ), "used" AS (
        UPDATE "Grant" AS "g" SET "lastUsedAt" = "consumed"."now" FROM "consumed"
        WHERE "g"."id" = "consumed"."grantId"
          AND ("g"."lastUsedAt" IS NULL OR "g"."lastUsedAt" <= "consumed"."useDueSince")
      ), "recorded" AS (${AUDIT_EVENT_PART.insertFrom('"consumed"')}
      ), "issued" AS (${REFRESH_TOKEN_PART.insertFrom('"consumed"')} WHERE "RefreshToken.id" IS NOT NULL)
      SELECT "asked"."id", "held"."expiresAt", "held"."tokensEndedUntil", "consumed"."id" IS NOT NULL AS "consumed"
      FROM "asked" JOIN "held" ON "held"."id" = "asked"."grantId" LEFT JOIN "consumed" ON "consumed"."id" = "asked"."id"`,
    );
  return {
    notes: notes.map(([name]) => name),
    /** PostgreSQL only. `$1`: a list of one of {@link RedemptionRows}, in JSON. Waits for whoever has locked the grant. */
    redeem: redeem('', 'FOR UPDATE'),
    /** PostgreSQL only. `$1`: a list of several. Passes over those whose grant is locked. */
    redeemShared: redeem('.shared', 'FOR UPDATE SKIP LOCKED'),
    /** SQLite's part: a row where something is consumed. `$1`: what was presented, `$2`: now, and what is noted. */
    consume: writing(
      `redemption.${table}.consume`,
      `UPDATE "${table}" AS "t" SET "consumedAt" = $2${set((_name, index) => `$${3 + index}`).join('')}
       WHERE "t"."id" = $1 AND "t"."consumedAt" IS NULL RETURNING "id"`,
    ),
  };
}
