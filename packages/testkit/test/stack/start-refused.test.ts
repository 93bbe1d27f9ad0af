import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openDatabase } from '@portcullis/persistence';
import { createTestDatabase } from '@portcullis/test-database';
import type { Stack } from '../../src/index.ts';
import { createHttpPerson, discover, findFreePort, startStack } from '../../src/index.ts';
import { startServerProcess, untilReady } from '../../src/server-process.ts';
import { authorizationRequest, registerClient } from './support/authorization.ts';
import { expectOneLine, failStart } from './support/failed-start.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';
import { AUTHORIZATION_SERVER, MCP_SERVER } from './support/replica.ts';

let folder: string;
const isPostgresql = globalThis.portcullisTestDatabase === 'postgresql';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-start-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('beside a database in use', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await startStack({ authorizationServer: OWNER_ENV });
  });
  afterAll(() => stack?.stop());

  const env = async () => ({
    authorizationServer: { ...stack.env.authorizationServer, PORTCULLIS_PORT: String(await findFreePort()) },
    mcpServer: { ...stack.env.mcpServer, PORTCULLIS_MCP_PORT: String(await findFreePort()) },
  });

  /** The owner is still there, and so is what was registered. */
  async function expectNothingLost(clientId: string): Promise<void> {
    const target = { server: await discover(stack.issuer), mcpUrl: stack.mcpUrl };
    const client = { id: clientId, secret: undefined, redirectUri: 'http://localhost:9/callback' };
    const back = await createHttpPerson().authorize(authorizationRequest(target, client).url, OWNER);
    expect(back.searchParams.get('code')).not.toBeNull();
  }

  test('a second start on one data folder is refused, and harms nothing', async () => {
    const client = await registerClient({ server: await discover(stack.issuer) });
    const { authorizationServer, mcpServer } = await env();
    expectOneLine(await failStart(AUTHORIZATION_SERVER, authorizationServer), /in use.*PORTCULLIS_DATA_DIR/);
    if (!isPostgresql) expectOneLine(await failStart(MCP_SERVER, mcpServer), /in use.*PORTCULLIS_DATA_DIR/);
    await expectNothingLost(client.id);
    await stack.restart();
    await expectNothingLost(client.id);
  });

  test('SIGTERM drains and ends with 0; the next start finds everything', async () => {
    const client = await registerClient({ server: await discover(stack.issuer) });
    const target = { server: await discover(stack.issuer), mcpUrl: stack.mcpUrl };
    const underWay = Array.from({ length: 6 }, () => registerClient(target));
    const settled = Promise.allSettled(underWay);
    await Promise.any(underWay);
    const ends = await stack.stopServers();
    expect(ends).toEqual({
      authorizationServer: { code: 0, signal: null },
      mcpServer: { code: 0, signal: null },
    });
    const acknowledged = (await settled).flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value.id] : [],
    );
    await stack.restart();
    for (const id of [client.id, ...acknowledged]) await expectNothingLost(id);
  });

  test('SP-4: a master key that does not fit the database, or that is lost, is no start', async () => {
    await stack.stopServers();
    const { authorizationServer } = await env();
    const wrong = { ...authorizationServer, PORTCULLIS_MASTER_KEY: randomBytes(32).toString('base64url') };
    expectOneLine(await failStart(AUTHORIZATION_SERVER, wrong), /PORTCULLIS_MASTER_KEY does not fit/);
    expectOneLine(
      await failStart(AUTHORIZATION_SERVER, { ...authorizationServer, PORTCULLIS_MASTER_KEY: 'too-short' }),
      /PORTCULLIS_MASTER_KEY/,
    );

    const [file, hidden] = [join(stack.dataDir, 'master-key'), join(stack.dataDir, 'elsewhere')];
    await rename(file, hidden);
    expectOneLine(await failStart(AUTHORIZATION_SERVER, authorizationServer), /master key that is not here/);
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    await rename(hidden, file);
    await stack.restart();
  });

  test('a migration that was changed after it was applied is no start', async () => {
    await stack.stopServers();
    const change = async (sql: string) => {
      const { prisma, close } = await openDatabase({ url: stack.databases.authorizationServer });
      await prisma.$executeRawUnsafe(sql);
      await close();
    };
    await change(`UPDATE "_prisma_migrations" SET "checksum" = 'changed'`);
    const { authorizationServer } = await env();
    expectOneLine(await failStart(AUTHORIZATION_SERVER, authorizationServer), /migration .* was changed/);
  });
});

test('four first starts at once on one database end with one master key, and no half-made server', async () => {
  // With SQLite the folder's lock lets one in; with PostgreSQL each replica brings the same key.
  const key = randomBytes(32).toString('base64url');
  const database = isPostgresql ? await createTestDatabase('postgresql') : undefined;
  const starts = await Promise.all(
    Array.from({ length: 4 }, async (_, i) => {
      const port = await findFreePort();
      const server = startServerProcess(AUTHORIZATION_SERVER, {
        PORTCULLIS_DATA_DIR: isPostgresql ? join(folder, String(i)) : folder,
        PORTCULLIS_PORT: String(port),
        PORTCULLIS_MASTER_KEY: key,
        ...(database && { DATABASE_URL: database.url }),
      });
      const ready = await untilReady(server, port).then(
        () => true,
        () => false,
      );
      return { server, ready };
    }),
  );
  const ends = await Promise.all(starts.map(({ server }) => server.stop()));
  const ready = starts.filter((start) => start.ready);
  expect(ready).toHaveLength(isPostgresql ? 4 : 1);
  expect(ends.map(({ code }, i) => [starts[i]?.ready, code])).toEqual(
    starts.map((start) => [start.ready, start.ready ? 0 : 1]),
  );
  await database?.drop();
});
