import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { findFreePort, rounds } from '@portcullis/test-database';
import { openStore } from '../src/store/open-store.ts';
import { emptyDatabase } from './support/databases.ts';
import { type DeskProcess, startDeskProcess } from './support/desk-process.ts';
import { startIssuer, type TestIssuer } from './support/issuer.ts';
import { call } from './support/messages.ts';
import { silentLogger } from './support/silent-logger.ts';

let issuer: TestIssuer;
let database: Awaited<ReturnType<typeof emptyDatabase>>;
let env: Record<string, string>;
let origin: string;
let running: DeskProcess[];

beforeAll(async () => {
  issuer = await startIssuer();
});

afterAll(() => issuer.close());

beforeEach(async () => {
  database = await emptyDatabase();
  running = [];
  const port = await findFreePort();
  origin = `http://127.0.0.1:${port}`;
  const url = database.databaseUrl?.reveal();
  env = {
    PORTCULLIS_ISSUER: issuer.url,
    PORTCULLIS_MCP_URL: `${origin}/mcp`,
    PORTCULLIS_MCP_PORT: String(port),
    PORTCULLIS_DATA_DIR: database.dataDir,
    ...(url && { PORTCULLIS_MCP_DATABASE_URL: url }),
  };
});

afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await Promise.all(running.map((process) => process.ended()));
  await database.drop();
});

function start(extra: Record<string, string> = {}): DeskProcess {
  const process = startDeskProcess({ ...env, ...extra });
  running.push(process);
  return process;
}

test('SIGTERM ends it with 0', async () => {
  const server = start();
  await server.ready(origin);
  server.child.kill('SIGTERM');
  expect(await server.ended()).toEqual({ code: 0, signal: null });
});

describe('a start that cannot succeed ends with 1 and a line for each problem', () => {
  test('bad variables', async () => {
    const server = start({ PORTCULLIS_ISSUER: 'http://login.example.com', LOG_LEVEL: 'loud' });
    expect(await server.ended()).toMatchObject({ code: 1 });
    expect(server.output().trim().split('\n')).toEqual([
      expect.stringMatching(/^portcullis: PORTCULLIS_ISSUER must use https/),
      expect.stringMatching(/^portcullis: LOG_LEVEL must be one of/),
    ]);
  });

  test('the port is taken', async () => {
    const taken = createServer().listen(Number(env.PORTCULLIS_MCP_PORT), '127.0.0.1');
    const server = start();
    expect(await server.ended()).toMatchObject({ code: 1 });
    expect(server.output().trim()).toMatch(/^portcullis: Port \d+ on 127\.0\.0\.1 is taken\..*PORTCULLIS_MCP_PORT.*$/);
    await new Promise((resolve) => taken.close(resolve));
  });
});

const KILLS_WITHIN_MS = 240_000;

test(
  'after kill -9 in the middle of writes the next start succeeds at once and no acknowledged reply is missing',
  async () => {
    const token = await issuer.token(`${origin}/mcp`, {
      scope: 'desk:read desk:write',
      roles: ['agent'],
      exp: inAnHour(),
    });
    const desk = { url: `${origin}/mcp` };
    const acknowledged: number[] = [];
    for (let round = 0; round < rounds(20); round++) {
      const server = start();
      await server.ready(origin);
      const kill = () => server.child.kill('SIGKILL');
      const write = async () => {
        for (let count = 0; ; count++) {
          const args = { ticketId: 'T-1002', body: `round ${round}, reply ${count}` };
          const { message } = await call(desk, { token, name: 'reply_to_ticket', args });
          const id = message.result?.structuredContent?.messageId;
          if (typeof id === 'number') acknowledged.push(id);
          if (count === 5) kill();
        }
      };
      await Promise.allSettled([write(), write(), write()]);
      await server.ended();
    }
    const server = start();
    await server.ready(origin);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
    const kept = await storedMessageIds();
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);

    async function storedMessageIds(): Promise<Set<number>> {
      server.child.kill('SIGTERM');
      await server.ended();
      const store = await openStore(database, { logger: silentLogger, now: () => new Date() });
      const messages = await store.seenBy({ subject: 'nobody', seesAll: true }).messages(1002, 100_000);
      await store.close();
      return new Set(messages.map(({ id }) => id));
    }
  },
  KILLS_WITHIN_MS,
);

function inAnHour(): number {
  return Math.floor(Date.now() / 1000) + 3600;
}
