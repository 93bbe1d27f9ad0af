import type { AuditEvent, RefreshToken } from '../generated/postgresql/client.ts';
import { writing } from './statement.ts';

/** A column, and its type where PostgreSQL would take the value for text. */
export type Column<Name extends string = string> = readonly [name: Name, type?: string | undefined];

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
] as const satisfies Column<keyof AuditEvent>[];

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
] as const satisfies Column<keyof RefreshToken>[];

/** A new row of the audit trail; what seals it comes later. */
export type AuditEventRow = Pick<AuditEvent, (typeof AUDIT_EVENT)[number][0]>;

/** A new refresh token. */
export type RefreshTokenRow = Pick<RefreshToken, (typeof REFRESH_TOKEN)[number][0]>;

/** Values by {@link auditEventValues}. */
export const INSERT_AUDIT_EVENT = writing('auditEvent.create', insert('AuditEvent', AUDIT_EVENT));

/** PostgreSQL only. `$1`: rows of the audit trail, as a list in JSON. */
export const INSERT_AUDIT_EVENTS = writing(
  'auditEvent.createMany',
  `INSERT INTO "AuditEvent" (${namesOf(AUDIT_EVENT)}) SELECT ${namesOf(AUDIT_EVENT)}
   FROM json_to_recordset($1::json) AS "row" (${typed(AUDIT_EVENT)})`,
);

/** Values by {@link refreshTokenValues}. */
export const INSERT_REFRESH_TOKEN = writing('refreshToken.create', insert('RefreshToken', REFRESH_TOKEN));

/** A row of the audit trail as a part of a list in JSON, and what inserts it from there. */
export const AUDIT_EVENT_PART = partOfList<AuditEventRow>('AuditEvent', AUDIT_EVENT);

/** The same of a refresh token. */
export const REFRESH_TOKEN_PART = partOfList<RefreshTokenRow>('RefreshToken', REFRESH_TOKEN);

/** The values of a row, in the order of the columns. */
export function auditEventValues(row: AuditEventRow) {
  return AUDIT_EVENT.map(([name]) => row[name]);
}

/** The values of a row, in the order of the columns. */
export function refreshTokenValues(row: RefreshTokenRow) {
  return REFRESH_TOKEN.map(([name]) => row[name]);
}

/** A list of columns as `json_to_recordset` wants them declared. */
export function typed(columns: readonly Column[]): string {
  return columns.map(([name, type = 'text']) => `"${name}" ${type}`).join(', ');
}

/** `of` names the values of a row after its table, so that a list can hold rows of several; it has nulls where there is no row. */
function partOfList<Row extends object>(table: string, columns: readonly Column<keyof Row & string>[]) {
  const parts = columns.map(([name, type]) => ({ name, part: `${table}.${name}`, type }));
  return {
    columns: parts.map(({ part, type }): Column => [part, type]),
    of: (row: Row | undefined): Record<string, unknown> =>
      row ? Object.fromEntries(parts.map(({ name, part }) => [part, row[name]])) : {},
    /** Inserts all rows of `from`, which has the columns of the list. */
    insertFrom: (from: string) =>
      `INSERT INTO "${table}" (${namesOf(columns)}) SELECT ${namesOf(parts.map(({ part }): Column => [part]))} FROM ${from}`,
  };
}

function namesOf(columns: readonly Column[]): string {
  return columns.map(([name]) => `"${name}"`).join(', ');
}

function insert(table: string, columns: readonly Column[]): string {
  const values = columns.map(([, type = 'text'], index) => `$${1 + index}::${type}`).join(', ');
  return `INSERT INTO "${table}" (${namesOf(columns)}) SELECT ${values}`;
}
