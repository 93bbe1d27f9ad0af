import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore, type Database, openDatabase } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { sendRaw } from '../../src/index.ts';
import { startInProcess } from './support/in-process.ts';
import { basicAuthorization } from './support/listening-guard.ts';

const [FIRST, SECOND] = ['first-secret-'.repeat(4), 'second-secret-'.repeat(4)];

let database: TestDatabase;
let opened: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  opened = await openDatabase({ url: database.url });
});
afterAll(async () => {
  await opened?.close();
  await database?.drop();
});

/** Starts a server with the environment of both and asks it for the feed. @returns the status for each secret */
async function statusesAfterStart(env: Record<string, string>, secrets: string[]): Promise<number[]> {
  const server = await startInProcess({ databaseUrl: database.url, env });
  try {
    const clientId = env.PORTCULLIS_MCP_CLIENT_ID ?? 'mcp-server';
    const ask = (clientSecret: string) =>
      sendRaw(`${server.issuer}/revocations`, {
        method: 'HEAD',
        headers: basicAuthorization({ clientId, clientSecret }),
      });
    return await Promise.all(secrets.map(async (secret) => (await ask(secret)).status));
  } finally {
    await server.close();
  }
}

describe('the client of the bundled MCP server', () => {
  test('is there from the first start with a secret on, also when eight servers start at once', async () => {
    expect(await statusesAfterStart({}, [FIRST])).toEqual([401]);
    const starts = Array.from({ length: 8 }, () =>
      statusesAfterStart({ PORTCULLIS_MCP_CLIENT_SECRET: FIRST }, [FIRST, SECOND]),
    );
    expect(await Promise.all(starts)).toEqual(Array(8).fill([200, 401]));
  });

  test('takes another secret at the next start, and the one before for ten minutes more', async () => {
    const env = { PORTCULLIS_MCP_CLIENT_SECRET: SECOND };
    expect(await statusesAfterStart(env, [FIRST, SECOND])).toEqual([200, 200]);
    const clients = createClientStore(opened);
    const later = new Date(Date.now() + 601_000);
    expect(await clients.holdsSecret({ id: 'mcp-server', secret: FIRST, now: later })).toBe(false);
    expect(await clients.holdsSecret({ id: 'mcp-server', secret: SECOND, now: later })).toBe(true);
  });

  test('follows the MCP server to another address', async () => {
    const env = { PORTCULLIS_MCP_CLIENT_SECRET: SECOND, PORTCULLIS_MCP_URL: 'http://localhost:4444/elsewhere' };
    expect(await statusesAfterStart(env, [SECOND])).toEqual([200]);
    expect(await createClientStore(opened).find({ id: 'mcp-server', now: new Date() })).toMatchObject({
      resourceServer: 'http://localhost:4444/elsewhere',
    });
  });

  test('stays disabled where an administrator disabled it', async () => {
    const env = { PORTCULLIS_MCP_CLIENT_SECRET: SECOND, PORTCULLIS_MCP_URL: 'http://localhost:4444/elsewhere' };
    const clients = createClientStore(opened);
    await clients.setDisabled({ id: 'mcp-server', disabled: true, now: new Date() });
    expect(await statusesAfterStart(env, [SECOND])).toEqual([401]);
    await clients.setDisabled({ id: 'mcp-server', disabled: false, now: new Date() });
  });

  test('takes no other client’s id, and not the place of another client: the start says what to change', async () => {
    const now = new Date();
    await createClientStore(opened).register({
      metadata: { client_id: 'somebody', redirect_uris: ['http://127.0.0.1/'] },
      registration: 'manual',
      now,
    });
    const env = { PORTCULLIS_MCP_CLIENT_SECRET: SECOND, PORTCULLIS_MCP_URL: 'http://localhost:4444/elsewhere' };
    await expect(statusesAfterStart({ ...env, PORTCULLIS_MCP_CLIENT_ID: 'somebody' }, [])).rejects.toThrow(
      'PORTCULLIS_MCP_CLIENT_ID is the id of a client that is no server of a resource',
    );
    await expect(statusesAfterStart({ ...env, PORTCULLIS_MCP_CLIENT_ID: 'another' }, [])).rejects.toThrow(
      'has the client mcp-server already',
    );
  });

  test('needs a secret of some length', async () => {
    await expect(statusesAfterStart({ PORTCULLIS_MCP_CLIENT_SECRET: 'short' }, [])).rejects.toThrow(
      'PORTCULLIS_MCP_CLIENT_SECRET must have at least 32 characters',
    );
  });
});
