import type { Database } from './database.ts';

/**
 * All rows of all tables as text, one a line. For tests that look for values which must not be stored.
 */
export async function dumpTables({ kind, prisma }: Database): Promise<string> {
  const tables = await prisma.$queryRawUnsafe<{ name: string }[]>(
    kind === 'sqlite'
      ? `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
      : `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name`,
  );
  const lines: string[] = [];
  for (const { name } of tables) {
    const rows = await prisma.$queryRawUnsafe<object[]>(`SELECT * FROM "${name}"`);
    for (const row of rows)
      lines.push(
        `${name} ${JSON.stringify(row, (_key, value) => (typeof value === 'bigint' ? String(value) : value))}`,
      );
  }
  return lines.join('\n');
}
