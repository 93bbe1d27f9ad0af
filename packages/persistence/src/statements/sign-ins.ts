import { reading, writing } from './statement.ts';

/**
 * `$1`: the sign-in, `$2`: its user. A row where that is a sign-in of this user, who is not disabled, and of whom nothing
 * was ended since.
 */
export const SIGN_IN_OF_USER = reading(
  'signIn.findUnique',
  `SELECT "SignIn"."lastSeenAt", "SignIn"."expiresAt", "SignIn"."endedAt" FROM "SignIn"
   JOIN "User" ON "User"."id" = "SignIn"."userId" AND "User"."accessEpoch" = "SignIn"."accessEpoch"
   WHERE "SignIn"."id" = $1 AND "SignIn"."userId" = $2 AND "User"."disabledAt" IS NULL`,
);

/** `$1`: the sign-in, `$2`: when a note is due if the last is as old, `$3`: now, `$4`: address, `$5`: expiry or null. */
export const NOTE_SIGN_IN_SEEN = writing(
  'signIn.update',
  `UPDATE "SignIn" SET "lastSeenAt" = $3::timestamp(3), "address" = $4::text,
   "expiresAt" = COALESCE($5::timestamp(3), "expiresAt")
   WHERE "id" = $1 AND "lastSeenAt" <= $2::timestamp(3)`,
);
