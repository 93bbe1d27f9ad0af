import type { Database } from './database.ts';
import { writing } from './statements/statement.ts';
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

/**
 * Uses an identifier up. Of several at once, on all replicas, one does: the others find the row, which is not over.
 *
 * @returns false when it was used before
 */
export async function useIdentifier(database: Database, { identifier, until, now }: UsedIdentifier): Promise<boolean> {
  const used = () => database.statements.run(USE, hashToken(identifier), until < LAST ? until : LAST, now);
  return (await inOneWrite(database, used)).length > 0;
}
