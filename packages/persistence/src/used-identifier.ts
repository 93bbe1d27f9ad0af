import type { Database } from './database.ts';
import { writing } from './statements/statement.ts';
import { together } from './statements/together.ts';
import { hashToken } from './token-hash.ts';
import { inOneWrite } from './transaction.ts';

/** An identifier that may be used once, and the moment from which nobody can use it again anyway. */
export type UsedIdentifier = { identifier: string; until: Date; now: Date };

/** Later years have five digits: SQLite would compare them as texts with years of four, and PostgreSQL cannot read them. */
const LAST = new Date('9999-12-31T00:00:00Z');

/** `$1`: the hash, `$2`: until when, `$3`: now. A row for whoever uses it. */
const USE = writing(
  'replayedIdentifier.use',
  `INSERT INTO "ReplayedIdentifier" ("id", "expiresAt") VALUES ($1, $2::timestamp(3))
   ON CONFLICT ("id") DO UPDATE SET "expiresAt" = excluded."expiresAt"
   WHERE "ReplayedIdentifier"."expiresAt" <= $3::timestamp(3) RETURNING "id"`,
);

/** PostgreSQL only. `$1`: different hashes with their times, as a list in JSON; `$2`: now. A row for each that is used. */
const USE_ALL = writing(
  'replayedIdentifier.useMany',
  `INSERT INTO "ReplayedIdentifier" ("id", "expiresAt")
   SELECT "id", "expiresAt" FROM json_to_recordset($1::json) AS "used" ("id" text, "expiresAt" timestamp(3)) ORDER BY "id"
   ON CONFLICT ("id") DO UPDATE SET "expiresAt" = excluded."expiresAt"
   WHERE "ReplayedIdentifier"."expiresAt" <= $2::timestamp(3) RETURNING "id"`,
);

/**
 * Uses an identifier up. Of several at once, on all replicas, one does: the others find the row, which is not over.
 *
 * @returns false when it was used before
 */
export async function useIdentifier(database: Database, { identifier, until, now }: UsedIdentifier): Promise<boolean> {
  const used = () => database.statements.run(USE, hashToken(identifier), storable(until), now);
  return (await inOneWrite(database, used)).length > 0;
}

/** The same for many requests: on PostgreSQL those of the same moment share a statement. */
export function createIdentifierUse(database: Database): (used: UsedIdentifier) => Promise<boolean> {
  const alone = (used: UsedIdentifier) => useIdentifier(database, used);
  if (database.kind === 'sqlite' || database.isTransaction) return alone;
  return together({ all: (uses: readonly UsedIdentifier[]) => useAll(database, uses), alone });
}

async function useAll(database: Database, uses: readonly UsedIdentifier[]): Promise<boolean[]> {
  const rows = uses.map(({ identifier, until }) => ({ id: hashToken(identifier), expiresAt: storable(until) }));
  // Of several that are the same, the first is the one that may.
  const first = new Map(rows.toReversed().map((row) => [row.id, row]));
  const now = new Date(Math.min(...uses.map((use) => use.now.getTime())));
  const list = JSON.stringify([...first.values()]);
  const written = await inOneWrite(database, () => database.statements.run<{ id: string }>(USE_ALL, list, now));
  const used = new Set(written.map(({ id }) => id));
  return rows.map((row) => first.get(row.id) === row && used.has(row.id));
}

function storable(until: Date): Date {
  return until < LAST ? until : LAST;
}
