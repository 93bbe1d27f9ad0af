import { type AuthorizationCode, type Grant, Prisma } from '../generated/postgresql/client.ts';
import { columnsOf, reading, type StatementValue, writing } from './statement.ts';

/** `$1`: the hash of the code. */
export const CODE_BY_ID = reading(
  'authorizationCode.findUnique',
  `SELECT ${columnsOf('AuthorizationCode', Prisma.AuthorizationCodeScalarFieldEnum)} FROM "AuthorizationCode"
   WHERE "id" = $1`,
);

const CODE = [
  'grantId',
  'clientId',
  'userId',
  'redirectUri',
  'scope',
  'resource',
  'codeChallenge',
  'codeChallengeMethod',
  'detail',
  'issuedAt',
  'expiresAt',
] as const satisfies readonly (keyof AuthorizationCode)[];

const GRANT = [
  'userId',
  'clientId',
  'resources',
  'detail',
  'issuedAt',
  'expiresAt',
] as const satisfies readonly (keyof Grant)[];

/** `$1`: the hash of the code, then {@link codeValues}. */
export const STORE_CODE = writing('authorizationCode.upsert', upsert('AuthorizationCode', CODE));

/** `$1`: the grant's id, then {@link grantValues}. */
export const STORE_GRANT = writing('grant.upsert', upsert('Grant', GRANT));

/** `$1`: the hash of the code, `$2`: until when at least a use counts as one beside the first. */
export const MARK_PARALLEL_USES = writing(
  'authorizationCode.update',
  `UPDATE "AuthorizationCode" SET "parallelUntil" = $2::timestamp(3)
   WHERE "id" = $1 AND ("parallelUntil" IS NULL OR "parallelUntil" < $2::timestamp(3))`,
);

/** The values of a code, in the order of the columns. */
export function codeValues(code: Pick<AuthorizationCode, (typeof CODE)[number]>): StatementValue[] {
  return CODE.map((name) => code[name]);
}

/** The values of a grant, in the order of the columns. */
export function grantValues(grant: Pick<Grant, (typeof GRANT)[number]>): StatementValue[] {
  return GRANT.map((name) => grant[name]);
}

function upsert(table: string, columns: readonly string[]): string {
  const values = columns.map((name, index) => `$${index + 2}::${name.endsWith('At') ? 'timestamp(3)' : 'text'}`);
  return `INSERT INTO "${table}" ("id", ${columns.map((name) => `"${name}"`).join(', ')})
   VALUES ($1::text, ${values.join(', ')})
   ON CONFLICT ("id") DO UPDATE SET ${columns.map((name) => `"${name}" = excluded."${name}"`).join(', ')}`;
}
