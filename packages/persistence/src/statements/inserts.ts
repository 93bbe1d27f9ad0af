import type { AuditEvent, RefreshToken } from '../generated/postgresql/client.ts';
import { writing } from './statement.ts';

/** A column, and its type where PostgreSQL would take the value for text. */
type Columns<Row> = readonly (readonly [keyof Row & string, string?])[];

const AUDIT_EVENT = [
  ['id'],
  ['time', 'timestamp(3)'],
  ['type'],
  ['outcome', '"AuditOutcome"'],
  ['subject'],
  ['client'],
  ['resource'],
  ['tool'],
  ['arguments'],
  ['sizeBytes', 'int'],
  ['durationMs', 'int'],
  ['address'],
  ['correlationId'],
  ['detail'],
] as const satisfies Columns<AuditEvent>;

const REFRESH_TOKEN = [
  ['id'],
  ['grantId'],
  ['clientId'],
  ['userId'],
  ['scope'],
  ['resource'],
  ['keyThumbprint'],
  ['rotations', 'int'],
  ['detail'],
  ['issuedAt', 'timestamp(3)'],
  ['firstIssuedAt', 'timestamp(3)'],
  ['expiresAt', 'timestamp(3)'],
] as const satisfies Columns<RefreshToken>;

/** How many values a row of the audit trail has. */
export const AUDIT_VALUES = AUDIT_EVENT.length;

/** A new row of the audit trail; what seals it comes later. */
export type AuditEventRow = Pick<AuditEvent, (typeof AUDIT_EVENT)[number][0]>;

/** A new refresh token. */
export type RefreshTokenRow = Pick<RefreshToken, (typeof REFRESH_TOKEN)[number][0]>;

/** Values by {@link auditEventValues}. */
export const INSERT_AUDIT_EVENT = writing('auditEvent.create', insertAuditEvent({ first: 1 }));

/** PostgreSQL only. `$1`: rows of the audit trail, as a list in JSON. */
export const INSERT_AUDIT_EVENTS = writing('auditEvent.createMany', insertFromJson('AuditEvent', AUDIT_EVENT));

/** Values by {@link refreshTokenValues}. */
export const INSERT_REFRESH_TOKEN = writing('refreshToken.create', insertRefreshToken({ first: 1 }));

/** The values of a row, in the order of the columns. */
export function auditEventValues(row: AuditEventRow) {
  return AUDIT_EVENT.map(([name]) => row[name]);
}

/** The values of a row, in the order of the columns. */
export function refreshTokenValues(row: RefreshTokenRow) {
  return REFRESH_TOKEN.map(([name]) => row[name]);
}

/** Where the values of an insert begin, and the table whose rows it is done for; by itself it is done once. */
type Place = { first: number; from?: string };

/** SQL that inserts a row of the audit trail. */
export function insertAuditEvent(place: Place): string {
  return insert('AuditEvent', AUDIT_EVENT, place);
}

/** SQL that inserts a refresh token. */
export function insertRefreshToken(place: Place): string {
  return insert('RefreshToken', REFRESH_TOKEN, place);
}

function insertFromJson(table: string, columns: readonly (readonly [string, string?])[]): string {
  const names = columns.map(([name]) => `"${name}"`).join(', ');
  const typed = columns.map(([name, type = 'text']) => `"${name}" ${type}`).join(', ');
  return `INSERT INTO "${table}" (${names}) SELECT ${names} FROM json_to_recordset($1::json) AS "row" (${typed})`;
}

function insert(table: string, columns: readonly (readonly [string, string?])[], { first, from }: Place): string {
  const names = columns.map(([name]) => `"${name}"`).join(', ');
  const values = columns.map(([, type = 'text'], index) => `$${first + index}::${type}`).join(', ');
  return `INSERT INTO "${table}" (${names}) SELECT ${values}${from === undefined ? '' : ` FROM "${from}"`}`;
}
