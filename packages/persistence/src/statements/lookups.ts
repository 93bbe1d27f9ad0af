import { Prisma } from '../generated/postgresql/client.ts';
import { columnsOf, reading } from './statement.ts';

/** `$1`: the client's id. */
export const CLIENT_BY_ID = reading(
  'client.findUnique',
  `SELECT ${columnsOf('Client', Prisma.ClientScalarFieldEnum)} FROM "Client" WHERE "id" = $1`,
);

/** `$1`: what identical registrations share. */
export const CLIENT_BY_REUSE_KEY = reading(
  'client.findReusable',
  `SELECT ${columnsOf('Client', Prisma.ClientScalarFieldEnum)} FROM "Client" WHERE "reuseKey" = $1`,
);

/** All that administrators have added, in the order of their URL. */
export const RESOURCES = reading(
  'resource.findMany',
  `SELECT ${columnsOf('Resource', Prisma.ResourceScalarFieldEnum)} FROM "Resource" ORDER BY "url"`,
);

/** `$1`: the hash of user, client, resource and redirect URI. */
export const CONSENT_BY_ID = reading(
  'consent.findUnique',
  `SELECT "scopes", "upstreamScopes", "expiresAt" FROM "Consent" WHERE "id" = $1`,
);

/** `$1`: the user's id. One row for each role, and one without for a user who has none. */
export const USER_WITH_ROLES = reading(
  'user.findUnique',
  `SELECT ${columnsOf('User', Prisma.UserScalarFieldEnum)}, "UserRole"."role"
   FROM "User" LEFT JOIN "UserRole" ON "UserRole"."userId" = "User"."id" WHERE "User"."id" = $1
   ORDER BY "UserRole"."role"`,
);

/** `$1`: the grant's id. */
export const GRANT_BY_ID = reading(
  'grant.findUnique',
  `SELECT ${columnsOf('Grant', Prisma.GrantScalarFieldEnum)} FROM "Grant" WHERE "id" = $1`,
);

/** `$1`: the hash of the token. */
export const REFRESH_TOKEN_BY_ID = reading(
  'refreshToken.findUnique',
  `SELECT ${columnsOf('RefreshToken', Prisma.RefreshTokenScalarFieldEnum)} FROM "RefreshToken" WHERE "id" = $1`,
);

/**
 * What tells a revocation that covers a token: its grant and resource, now, and when the token was issued, by their places.
 * No index is read by `IS NOT DISTINCT FROM`: the grant is what few revocations share.
 */
function coversToken({
  grant,
  resource,
  now,
  issuedAt,
}: Record<'grant' | 'resource' | 'now' | 'issuedAt', number>): string {
  return `"Revocation"."grantId" = $${grant}::text AND "Revocation"."resource" IS NOT DISTINCT FROM $${resource}::text
     AND "Revocation"."expiresAt" > $${now}::timestamp(3)
     AND ("Revocation"."issuedUntil" IS NULL OR "Revocation"."issuedUntil" >= $${issuedAt}::timestamp(3))`;
}

/** `$1`: grant, `$2`: resource, `$3`: now, `$4`: when the token was issued. A row where such a token is revoked. */
export const REVOCATION_OF = reading(
  'revocation.findFirst',
  `SELECT "id" FROM "Revocation" WHERE ${coversToken({ grant: 1, resource: 2, now: 3, issuedAt: 4 })} LIMIT 1`,
);

/**
 * One row, whatever is there. `$1`: client, `$2`: grant, `$3`: user, `$4`: resource, `$5`: now, `$6`: when the token was
 * issued. The revocation is one that covers such a token.
 */
export const TOKEN_STANDING = reading(
  'token.standing',
  `SELECT ${columnsOf('Client', Prisma.ClientScalarFieldEnum)},
     "Grant"."userId" AS "grantUserId", "Grant"."clientId" AS "grantClientId", "Grant"."resources",
     "Grant"."expiresAt" AS "grantExpiresAt", "User"."id" AS "userId", "User"."disabledAt" AS "userDisabledAt",
     (SELECT "Revocation"."id" FROM "Revocation"
       WHERE ${coversToken({ grant: 2, resource: 4, now: 5, issuedAt: 6 })} LIMIT 1) AS "revocation"
   FROM (SELECT 1) AS "asked"
   LEFT JOIN "Client" ON "Client"."id" = $1::text
   LEFT JOIN "Grant" ON "Grant"."id" = $2::text
   LEFT JOIN "User" ON "User"."id" = $3::text`,
);
