import { reading, writing } from './statement.ts';

/** What is read of a record; the other columns are there to find it. */
const COLUMNS = '"id", "payload", "consumedAt", "expiresAt"';

/** `$1`: the model, `$2`: the hash of the record's value. */
export const ENGINE_RECORD_BY_ID = reading(
  'engineRecord.findUnique',
  `SELECT ${COLUMNS} FROM "EngineRecord" WHERE "model" = $1 AND "id" = $2`,
);

/** `$1`: the model, `$2`: the uid. The one that lives longest. */
export const ENGINE_RECORD_BY_UID = reading(
  'engineRecord.findFirst',
  `SELECT ${COLUMNS} FROM "EngineRecord" WHERE "model" = $1 AND "uid" = $2 ORDER BY "expiresAt" DESC LIMIT 1`,
);

/** What the engine says of a record, beside its model and id; in the order of the values of the statements below. */
const SAVED = ['payload', 'uid', 'userCodeHash', 'grantId', 'clientId', 'userId', 'expiresAt'] as const;

const VALUES = SAVED.map((name, index) => `$${index + 3}${name === 'expiresAt' ? '::timestamp(3)' : '::text'}`);

/** `$1`: the model, `$2`: the hash of the value, then {@link engineRecordValues}. */
export const STORE_ENGINE_RECORD = writing(
  'engineRecord.upsert',
  `INSERT INTO "EngineRecord" ("model", "id", ${SAVED.map((name) => `"${name}"`).join(', ')})
   VALUES ($1::text, $2::text, ${VALUES.join(', ')})
   ON CONFLICT ("model", "id") DO UPDATE SET ${SAVED.map((name) => `"${name}" = excluded."${name}"`).join(', ')}`,
);

/** The same values. A row where there was one to change. */
export const CHANGE_ENGINE_RECORD = writing(
  'engineRecord.update',
  `UPDATE "EngineRecord" SET ${SAVED.map((name, index) => `"${name}" = ${VALUES[index]}`).join(', ')}
   WHERE "model" = $1 AND "id" = $2 RETURNING "id"`,
);

/** `$1`: the model, `$2`: the hash of the value. A row where there was one. */
export const DESTROY_ENGINE_RECORD = writing(
  'engineRecord.delete',
  `DELETE FROM "EngineRecord" WHERE "model" = $1 AND "id" = $2 RETURNING "id"`,
);

/** What is saved of a record. */
export type SavedEngineRecord = Record<Exclude<(typeof SAVED)[number], 'expiresAt' | 'payload'>, string | null> & {
  payload: string;
  expiresAt: Date | null;
};

/** Its values, in the order of the columns. */
export function engineRecordValues(saved: SavedEngineRecord) {
  return SAVED.map((name) => saved[name]);
}
