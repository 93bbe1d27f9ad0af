import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type PostgresqlCluster, startPostgresql } from '../../src/postgresql-cluster.ts';
import { createTestDatabase } from '../../src/test-database.ts';

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a PostgreSQL server of the test’s own', () => {
  let cluster: PostgresqlCluster;
  beforeAll(async () => {
    cluster = await startPostgresql();
  });
  afterAll(() => cluster.stop());

  test('writes through to disk, so that a crash test means something', async () => {
    expect(await query(cluster.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
    expect(await query(cluster.url, 'SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
  });

  test('keeps what it acknowledged when it is killed, and comes back under the same URL', async () => {
    await query(cluster.url, 'CREATE TABLE kept AS SELECT 1 AS one');
    await cluster.kill();
    await expect(query(cluster.url, 'SELECT 1')).rejects.toThrow();
    await cluster.restart();
    expect(await query(cluster.url, 'SELECT one FROM kept')).toEqual([{ one: 1 }]);
  });

  test('asks for its password', async () => {
    const url = new URL(cluster.url);
    url.password = 'wrong';
    await expect(query(url.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });
});

test('a test database goes away even while somebody is connected to it', async () => {
  const database = await createTestDatabase();
  const client = new pg.Client({ connectionString: database.url });
  const disconnected = new Promise((resolve) => client.once('end', resolve));
  client.on('error', () => {});
  await client.connect();
  await database.drop();
  await disconnected;
  await expect(query(database.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
});
