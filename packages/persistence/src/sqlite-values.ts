import { type ArgType, type ColumnType, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import type { SqliteValue } from './sqlite-statements.ts';

/** What Prisma declares columns as in SQLite. */
const COLUMN_TYPES: Record<string, ColumnType | undefined> = {
  BIGINT: ColumnTypeEnum.Int64,
  BLOB: ColumnTypeEnum.Bytes,
  BOOLEAN: ColumnTypeEnum.Boolean,
  DATETIME: ColumnTypeEnum.DateTime,
  DECIMAL: ColumnTypeEnum.Numeric,
  INTEGER: ColumnTypeEnum.Int32,
  JSONB: ColumnTypeEnum.Json,
  REAL: ColumnTypeEnum.Double,
  TEXT: ColumnTypeEnum.Text,
};

/** The types of the columns as Prisma knows them; what was not declared is told from its first value. */
export function columnTypesOf(declaredTypes: readonly string[], rows: readonly SqliteValue[][]): ColumnType[] {
  return declaredTypes.map((declared, index) => COLUMN_TYPES[declared.toUpperCase()] ?? typeOfFirst(rows, index));
}

function typeOfFirst(rows: readonly SqliteValue[][], index: number): ColumnType {
  const value = rows.find((row) => row[index] !== null)?.[index] ?? null;
  if (typeof value === 'string') return ColumnTypeEnum.Text;
  if (typeof value === 'number') return ColumnTypeEnum.UnknownNumber;
  if (typeof value === 'bigint') return isSafe(value) ? ColumnTypeEnum.UnknownNumber : ColumnTypeEnum.Int64;
  return value === null ? ColumnTypeEnum.Int32 : ColumnTypeEnum.Bytes;
}

/** Makes a row of SQLite's one of Prisma's, in its place: a list of some hundred would be copied for nothing. */
export function resultRow(row: unknown[], columnTypes: readonly ColumnType[]): void {
  for (let index = 0; index < row.length; index += 1) {
    const value = row[index];
    if (typeof value === 'bigint') row[index] = integer(value, columnTypes[index]);
    else if (typeof value === 'number') row[index] = real(value, columnTypes[index]);
    else if (value instanceof Uint8Array) row[index] = new Uint8Array(value);
  }
}

function integer(value: bigint, type: ColumnType | undefined): unknown {
  if (type === ColumnTypeEnum.DateTime) return new Date(Number(value)).toISOString();
  return isSafe(value) ? Number(value) : String(value);
}

function real(value: number, type: ColumnType | undefined): unknown {
  if (type === ColumnTypeEnum.DateTime) return new Date(value).toISOString();
  return type === ColumnTypeEnum.Int32 || type === ColumnTypeEnum.Int64 ? Math.trunc(value) : value;
}

function isSafe(value: bigint): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
}

/**
 * A value of Prisma's as SQLite keeps it: a date as text of ISO 8601, a truth value as 1 or 0.
 *
 * @throws {RangeError} for a number that is none, or needs more than 64 bits
 */
export function argumentOf(value: unknown, type: ArgType | undefined): SqliteValue {
  if (typeof value === 'string') return ofText(value, type);
  if (value === null) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return dateTime(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`SQLite keeps no ${value}`);
    return value;
  }
  if (typeof value === 'bigint') return within64Bits(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`SQLite keeps no ${typeof value}`);
}

function ofText(value: string, type: ArgType | undefined): SqliteValue {
  switch (type?.scalarType) {
    case 'bigint':
      return within64Bits(BigInt(value));
    case 'decimal':
      return Number.parseFloat(value);
    case 'datetime':
      return dateTime(new Date(value));
    case 'bytes':
      return Buffer.from(value, 'base64');
    default:
      return value;
  }
}

function dateTime(date: Date): string {
  return date.toISOString().replace('Z', '+00:00');
}

function within64Bits(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new RangeError('an integer needs more than 64 bits');
  return value;
}
