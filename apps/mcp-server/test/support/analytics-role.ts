import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { postgresqlPrograms } from '@portcullis/test-database';
import pg from 'pg';

const SCRIPT = join(import.meta.dirname, '../../../../docker/analytics-role.sql');

/** A role for query_analytics in a test's database. */
export type AnalyticsRole = { name: string; url: string; drop(): Promise<void> };

/** Makes such a role as an operator does; its name is new, because roles belong to the whole server. */
export function createAnalyticsRole(databaseUrl: string): AnalyticsRole {
  const name = `analytics_${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  const owner = decodeURIComponent(new URL(databaseUrl).username);
  const variables = { owner, role: name, password };
  const { status, stderr } = spawnSync(
    join(postgresqlPrograms() ?? '', 'psql'),
    [
      ...['--no-psqlrc', '--quiet', '--dbname', databaseUrl, '--file', SCRIPT],
      ...Object.entries(variables).map(([variable, value]) => `--set=${variable}=${value}`),
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`the role could not be made: ${stderr}`);
  const url = new URL(databaseUrl);
  url.username = name;
  url.password = password;
  return { name, url: url.href, drop: () => dropRole(databaseUrl, name) };
}

async function dropRole(databaseUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(`drop owned by ${name}; drop role ${name}`);
  } finally {
    await client.end();
  }
}
