import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Secret } from '@portcullis/platform';
import { Kysely, sql } from 'kysely';
import { postgresqlAnalytics } from '../../src/analytics/postgresql-analytics.ts';
import { openStore } from '../../src/store/open-store.ts';
import { postgresqlDialect } from '../../src/store/postgresql-dialect.ts';
import { emptyDatabase } from '../support/databases.ts';
import { silentLogger } from '../support/silent-logger.ts';

const { signal } = new AbortController();
const DEADLY = 'generate_series(1, 3)';

let database: Awaited<ReturnType<typeof emptyDatabase>>;
let relay: { port: number; close(): Promise<void> };

beforeAll(async () => {
  database = await emptyDatabase({ withAnalyticsRole: true });
  await (await openStore(database, { logger: silentLogger, now: () => new Date() })).close();
  relay = await relayThatDies(Number(new URL(database.databaseUrl?.reveal() ?? '').port));
});
afterAll(async () => {
  await relay?.close();
  await database?.drop();
});

/** Passes everything on to a port, until a client sends the deadly query: then it drops the connection without a word. */
async function relayThatDies(port: number) {
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.pipe(client);
    client.on('data', (bytes) => (bytes.includes(DEADLY) ? client.destroy() : upstream.write(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

function throughRelay(url: Secret | undefined): Secret {
  const changed = new URL(url?.reveal() ?? '');
  changed.host = `127.0.0.1:${relay.port}`;
  return new Secret(changed.href);
}

// An error event that nobody listens to would end this process.
test('a connection that is lost in the middle of a query fails that query, and no other', async () => {
  const options = { url: throughRelay(database.analyticsDatabaseUrl), timeoutMs: 5000, connections: 1 };
  const analytics = postgresqlAnalytics(options, silentLogger);
  try {
    await expect(analytics.run(`select * from ${DEADLY}`, signal)).rejects.toThrow();
    expect(await analytics.run('select 1 as one', signal)).toMatchObject({ ok: true });
  } finally {
    await analytics.close();
  }
});

test('nor does the desk end with one of its own', async () => {
  const desk = new Kysely({ ...postgresqlDialect(throughRelay(database.databaseUrl), silentLogger) });
  try {
    await expect(sql.raw(`select * from ${DEADLY}`).execute(desk)).rejects.toThrow();
    await sql`select 1`.execute(desk);
  } finally {
    await desk.destroy();
  }
});
