import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { type PostgresqlCluster, startPostgresql } from '../../src/postgresql-cluster.ts';
import { postgresqlPrograms } from '../../src/postgresql-programs.ts';

const SCRIPT = join(import.meta.dirname, '../../../../docker/create-databases.sh');
const PASSWORD = 'it\'s \\ "quoted"; --';

let cluster: PostgresqlCluster;

/** Runs statements as a role in a database of the installation, and gives the rows of the last. */
async function as(user: string, database: string, ...statements: string[]): Promise<unknown[]> {
  const { hostname, port } = new URL(cluster.url);
  const client = new pg.Client({ host: hostname, port: Number(port), user, password: PASSWORD, database });
  await client.connect();
  try {
    let rows: unknown[] = [];
    for (const statement of statements) rows = (await client.query(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  cluster = await startPostgresql({ durable: false });
  const secrets = mkdtempSync(join(tmpdir(), 'portcullis-secrets-'));
  for (const role of ['owner', 'server', 'desk', 'analytics'])
    writeFileSync(join(secrets, `${role}-password`), PASSWORD);
  const { hostname, port, username, password } = new URL(cluster.url);
  const { status, stderr } = spawnSync('bash', [SCRIPT], {
    encoding: 'utf8',
    env: {
      PATH: `${postgresqlPrograms()}${delimiter}${process.env.PATH}`,
      ...{ PGHOST: hostname, PGPORT: port, PGPASSWORD: password, POSTGRES_USER: username },
      PORTCULLIS_SECRETS_FOLDER: secrets,
      PORTCULLIS_ANALYTICS_ROLE_SCRIPT: join(SCRIPT, '../analytics-role.sql'),
    },
  });
  rmSync(secrets, { recursive: true });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
afterAll(() => cluster.stop());

test('the serving role reads and writes what the owner migrates, and changes no table', async () => {
  await as('portcullis_owner', 'portcullis', 'CREATE TABLE things (id serial, name text)');
  const rows = await as(
    'portcullis',
    'portcullis',
    "INSERT INTO things (name) VALUES ('a')",
    'SELECT name FROM things',
  );
  expect(rows).toEqual([{ name: 'a' }]);
  const refused = { code: '42501' };
  await expect(as('portcullis', 'portcullis', 'CREATE TABLE more (id int)')).rejects.toMatchObject(refused);
  await expect(as('portcullis', 'portcullis', 'DROP TABLE things')).rejects.toMatchObject(refused);
});

test('neither server’s roles can open the other’s database', async () => {
  expect(await as('desk', 'desk', 'CREATE TABLE tickets (id int)', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  const refused = { code: '42501' };
  await expect(as('desk', 'portcullis')).rejects.toMatchObject(refused);
  await expect(as('portcullis', 'desk')).rejects.toMatchObject(refused);
  await expect(as('portcullis_owner', 'desk')).rejects.toMatchObject(refused);
});

test('SP-33 the role for queries reads the views that the desk makes, and calls no function that does something', async () => {
  await as('desk', 'desk', 'CREATE TABLE secrets (id int)', 'CREATE VIEW analytics.shown AS SELECT 1 AS one');
  await as('desk', 'desk', 'GRANT SELECT ON analytics.shown TO desk_analytics');
  expect(await as('desk_analytics', 'desk', 'SELECT one FROM analytics.shown')).toEqual([{ one: 1 }]);
  const refused = { code: '42501' };
  for (const statement of ['SELECT * FROM public.secrets', 'SELECT pg_sleep(1)', 'SELECT * FROM pg_class'])
    await expect(as('desk_analytics', 'desk', statement)).rejects.toMatchObject(refused);
  await expect(as('desk_analytics', 'portcullis')).rejects.toMatchObject(refused);
});
