import type { Database } from '../database.ts';
import type { Grant } from '../generated/postgresql/client.ts';
import {
  AUDIT_VALUES,
  type AuditEventRow,
  auditEventValues,
  INSERT_AUDIT_EVENT,
  INSERT_REFRESH_TOKEN,
  insertAuditEvent,
  insertRefreshToken,
  type RefreshTokenRow,
  refreshTokenValues,
} from './inserts.ts';
import { reading, type Statement, type StatementValue, writing } from './statement.ts';

/** What a redemption changes about the code or refresh token that was presented. */
export type Consumption = { of: Consumable; values: StatementValue[] };

/** One redemption, as rows and values. */
export type RedemptionRows = {
  grantId: string;
  /** What the grant says must be that still, null for nothing. */
  tokensEndedUntil: Date | null;
  /** When the grant's last use was by then, this one is noted. */
  useDueSince: Date;
  /** The hash of what was presented. */
  id: string;
  consumption: Consumption;
  /** Stored only if what was presented is consumed. */
  issued: RefreshTokenRow | undefined;
  event: AuditEventRow;
  now: Date;
};

/** What a grant was like when the redemption came to it, and whether anything was written. */
export type RedemptionOutcome = { grant: HeldGrant | undefined; consumed: boolean };

type HeldGrant = Pick<Grant, 'expiresAt' | 'tokensEndedUntil'>;

/** A table of things that are redeemed once, and the statements for it. */
type Consumable = ReturnType<typeof consumable>;

/** `$6` to `$10`: when it may be cleaned away, its successor, the request, its answer, and until when that is kept. */
export const REFRESH_TOKEN = consumable('RefreshToken', {
  set: [
    '"expiresAt" = COALESCE($6::timestamp(3), "t"."expiresAt")',
    '"successorId" = $7::text',
    '"requestFingerprint" = $8::text',
    '"sealedAnswer" = $9::text',
    '"answerExpiresAt" = $10::timestamp(3)',
  ],
  values: 5,
});

/** Nothing but that it was redeemed. */
export const AUTHORIZATION_CODE = consumable('AuthorizationCode', { set: [], values: 0 });

/**
 * Consumes what was presented, stores what is issued for it, notes the use of the grant and records the event: all of it,
 * or nothing where the grant is not as it was read or somebody else was first. The grant is kept from ending meanwhile:
 * whoever revokes it either came before, or waits, and finds what was issued.
 */
export function writeRedemption(database: Database, rows: RedemptionRows): Promise<RedemptionOutcome> {
  return database.kind === 'postgresql' ? writeOnPostgresql(database, rows) : writeOnSqlite(database, rows);
}

async function writeOnPostgresql({ statements }: Database, rows: RedemptionRows): Promise<RedemptionOutcome> {
  const { consumption, issued, event } = rows;
  const [held] = await statements.run<HeldGrant & { consumed: boolean }>(
    issued ? consumption.of.issuing : consumption.of.alone,
    ...presentedValues(rows),
    ...auditEventValues(event),
    ...(issued ? refreshTokenValues(issued) : []),
  );
  return { grant: held, consumed: held?.consumed ?? false };
}

function writeOnSqlite({ statements }: Database, rows: RedemptionRows): Promise<RedemptionOutcome> {
  const { grantId, tokensEndedUntil, useDueSince, consumption, issued, event, now } = rows;
  return statements.inOneCommit((run) => {
    const [grant] = run<HeldGrant>(HELD_GRANT, grantId);
    if (!grant || grant.expiresAt <= now || grant.tokensEndedUntil?.getTime() !== tokensEndedUntil?.getTime())
      return { grant, consumed: false };
    if (run(consumption.of.update, ...presentedValues(rows)).length === 0) return { grant, consumed: false };
    if (issued) run(INSERT_REFRESH_TOKEN, ...refreshTokenValues(issued));
    run(NOTE_USE, grantId, now, useDueSince);
    run(INSERT_AUDIT_EVENT, ...auditEventValues(event));
    return { grant, consumed: true };
  });
}

function presentedValues(rows: RedemptionRows): StatementValue[] {
  const { grantId, now, tokensEndedUntil, useDueSince, id, consumption } = rows;
  return [grantId, now, tokensEndedUntil, useDueSince, id, ...consumption.values];
}

const HELD_GRANT = reading('redemption.grant', `SELECT "expiresAt", "tokensEndedUntil" FROM "Grant" WHERE "id" = $1`);

const NOTE_USE = writing(
  'redemption.use',
  `UPDATE "Grant" SET "lastUsedAt" = $2 WHERE "id" = $1 AND ("lastUsedAt" IS NULL OR "lastUsedAt" <= $3)`,
);

/**
 * `$1` to `$5`: the grant, now, the grant's `tokensEndedUntil`, since when a use of it is due, and what was presented.
 *
 * On PostgreSQL one statement does everything. Its parts join each other, so that where a row was changed by somebody who
 * had it locked, they look at it as it is now: what a part that is asked beside the join would say then is not defined.
 */
function consumable(table: string, { set, values }: { set: readonly string[]; values: number }) {
  const assignments = ['"consumedAt" = $2::timestamp(3)', ...set].join(', ');
  const audit = 6 + values;
  const consumed = `
    WITH "held" AS MATERIALIZED (
      SELECT "id", "expiresAt", "tokensEndedUntil" FROM "Grant" WHERE "id" = $1::text FOR UPDATE
    ), "consumed" AS (
      UPDATE "${table}" AS "t" SET ${assignments} FROM "held"
      WHERE "t"."id" = $5::text AND "t"."consumedAt" IS NULL AND "held"."expiresAt" > $2::timestamp(3)
        AND "held"."tokensEndedUntil" IS NOT DISTINCT FROM $3::timestamp(3)
      RETURNING "held"."id" AS "grantId"
    ), "used" AS (
      UPDATE "Grant" AS "g" SET "lastUsedAt" = $2::timestamp(3) FROM "consumed"
      WHERE "g"."id" = "consumed"."grantId" AND ("g"."lastUsedAt" IS NULL OR "g"."lastUsedAt" <= $4::timestamp(3))
    ), "recorded" AS (${insertAuditEvent({ first: audit, from: 'consumed' })})`;
  const outcome = `
    SELECT "expiresAt", "tokensEndedUntil", EXISTS (SELECT 1 FROM "consumed") AS "consumed" FROM "held"`;
  const issued = insertRefreshToken({ first: audit + AUDIT_VALUES, from: 'consumed' });
  const name = `redemption.${table}`;
  return {
    alone: writing(name, `${consumed}${outcome}`),
    issuing: writing(`${name}.issuing`, `${consumed}, "issued" AS (${issued})${outcome}`),
    /** SQLite's part: a row where something is consumed. `$1`, `$3` and `$4` are seen to before. */
    update: writing(
      `${name}.update`,
      `UPDATE "${table}" AS "t" SET ${assignments} WHERE "t"."id" = $5 AND "t"."consumedAt" IS NULL RETURNING "id"`,
    ),
  } satisfies Record<string, Statement>;
}
