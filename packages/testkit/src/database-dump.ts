import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

/** The rows of every table of a database, by the table's name. */
export type DatabaseDump = Record<string, Record<string, unknown>[]>;

/** Reads every row of every table, behind the back of whoever owns them. `url` is `file:` (SQLite) or `postgresql:`. */
export async function dumpDatabase(url: string): Promise<DatabaseDump> {
  return url.startsWith('file:') ? dumpSqlite(url) : dumpPostgresql(url);
}

/** All of a dump as one text, bytes as they are and in hexadecimal, to look for what must not be there. */
export function dumpText(dump: DatabaseDump): string {
  return JSON.stringify(dump, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    if (!(value instanceof Uint8Array)) return value;
    const bytes = Buffer.from(value);
    return `${bytes.toString('latin1')} ${bytes.toString('hex')}`;
  });
}

function dumpSqlite(url: string): DatabaseDump {
  const database = new DatabaseSync(fileURLToPath(url), { readOnly: true });
  try {
    const tables = database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .all();
    return Object.fromEntries(
      tables.map(({ name }) => {
        const rows = database.prepare(`SELECT * FROM "${String(name)}"`);
        rows.setReadBigInts(true);
        return [String(name), rows.all()];
      }),
    );
  } finally {
    database.close();
  }
}

async function dumpPostgresql(url: string): Promise<DatabaseDump> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ schema: string; name: string }>(
      `SELECT schemaname AS schema, tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const dump: DatabaseDump = {};
    for (const { schema, name } of rows) {
      dump[`${schema}.${name}`] = (
        await client.query<Record<string, unknown>>(`SELECT * FROM "${schema}"."${name}"`)
      ).rows;
    }
    return dump;
  } finally {
    await client.end();
  }
}
