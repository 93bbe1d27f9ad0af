import { type Client, Prisma } from '../generated/postgresql/client.ts';
import { columnsOf, type StatementValue, writing } from './statement.ts';

/** What is said of a new client, and the type where PostgreSQL would take the value for text. */
const NEW_CLIENT = [
  ['id'],
  ['registration', '"ClientRegistration"'],
  ['name'],
  ['applicationType'],
  ['tokenEndpointAuthMethod'],
  ['redirectUris'],
  ['grantTypes'],
  ['secretHash'],
  ['metadata'],
  ['managementTokenHash'],
  ['reuseKey'],
  ['review', '"ClientReview"'],
  ['firstParty', 'boolean'],
  ['allowedScopes'],
  ['allowedResources'],
  ['resourceServer'],
  ['createdAt', 'timestamp(3)'],
  ['updatedAt', 'timestamp(3)'],
  ['expiresAt', 'timestamp(3)'],
] as const satisfies readonly (readonly [keyof Client, string?])[];

/** A new client that identical registrations share. */
export type NewSharedClient = Pick<Client, (typeof NEW_CLIENT)[number][0]>;

/** Values by {@link newClientValues}. The client as it was stored; no row where another one has its `reuseKey`. */
export const STORE_SHARED_CLIENT = writing(
  'client.createShared',
  `INSERT INTO "Client" (${NEW_CLIENT.map(([name]) => `"${name}"`).join(', ')})
   VALUES (${NEW_CLIENT.map(([, type = 'text'], index) => `$${index + 1}::${type}`).join(', ')})
   ON CONFLICT ("reuseKey") DO NOTHING RETURNING ${columnsOf('Client', Prisma.ClientScalarFieldEnum)}`,
);

/** The values of a new client, in the order of the columns. */
export function newClientValues(client: NewSharedClient): StatementValue[] {
  return NEW_CLIENT.map(([name]) => client[name]);
}

/** `$1`: the client, `$2`: when a note is due if the last is as old, `$3`: now, `$4`: when it expires, null for as it is. */
export const NOTE_CLIENT_USE = writing(
  'client.update',
  `UPDATE "Client" SET "lastUsedAt" = $3::timestamp(3), "expiresAt" = COALESCE($4::timestamp(3), "expiresAt")
   WHERE "id" = $1 AND ("lastUsedAt" IS NULL OR "lastUsedAt" <= $2::timestamp(3))`,
);
