import { writing } from './statement.ts';

/** `$1`: the client, `$2`: when a note is due if the last is as old, `$3`: now, `$4`: when it expires, null for as it is. */
export const NOTE_CLIENT_USE = writing(
  'client.update',
  `UPDATE "Client" SET "lastUsedAt" = $3::timestamp(3), "expiresAt" = COALESCE($4::timestamp(3), "expiresAt")
   WHERE "id" = $1 AND ("lastUsedAt" IS NULL OR "lastUsedAt" <= $2::timestamp(3))`,
);
