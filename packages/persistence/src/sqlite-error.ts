import type { MappedError } from '@prisma/driver-adapter-utils';
import type { SqliteError } from './sqlite-connection.ts';

const PRIMARY_CODE_MASK = 0xff;

/** SQLite's result codes, https://www.sqlite.org/rescode.html, of which Prisma has its own name for what happened. */
const CODES = {
  busy: 5,
  foreignKey: 787,
  notNull: 1299,
  primaryKey: 1555,
  trigger: 1811,
  unique: 2067,
} as const;

/** An error of SQLite in Prisma's words. */
export function mappedError(error: SqliteError): MappedError & { originalCode: string; originalMessage: string } {
  return {
    originalCode: String(error.errcode),
    originalMessage: error.message,
    ...kindOf(error),
  };
}

function kindOf({ errcode, message }: SqliteError): MappedError {
  switch (errcode) {
    case CODES.unique:
    case CODES.primaryKey: {
      const columns = failedColumns(message);
      const table = columns[0]?.split('.').slice(0, -1).join('.');
      return { kind: 'UniqueConstraintViolation', constraint: { fields: fieldsOf(columns) }, ...(table && { table }) };
    }
    case CODES.notNull:
      return { kind: 'NullConstraintViolation', constraint: { fields: fieldsOf(failedColumns(message)) } };
    case CODES.foreignKey:
    case CODES.trigger:
      return { kind: 'ForeignKeyConstraintViolation', constraint: { foreignKey: {} } };
    default:
      if ((errcode & PRIMARY_CODE_MASK) === CODES.busy) return { kind: 'SocketTimeout' };
      return missing(message) ?? { kind: 'sqlite', extendedCode: errcode, message };
  }
}

/** SQLite tells what is missing in its message alone. */
function missing(message: string): MappedError | undefined {
  const table = /^no such table: (.*)/s.exec(message)?.[1];
  if (table !== undefined) return { kind: 'TableDoesNotExist', table };
  const column = /^no such column: (.*)/s.exec(message)?.[1] ?? /has no column named (.*)/s.exec(message)?.[1];
  return column === undefined ? undefined : { kind: 'ColumnNotFound', column };
}

function failedColumns(message: string): string[] {
  return message.split('constraint failed: ')[1]?.split(', ') ?? [];
}

function fieldsOf(columns: readonly string[]): string[] {
  return columns.map((column) => column.slice(column.lastIndexOf('.') + 1));
}
