import { rm } from 'node:fs/promises';
import { createTestDatabase, makeDatabaseFolder } from '@portcullis/test-database';
import { findFreePort } from '../../../src/index.ts';
import { startServerProcess, untilReady } from '../../../src/server-process.ts';
import type { InProcess, InProcessOptions } from './in-process.ts';
import { startInProcess } from './in-process.ts';
import { MCP_SERVER } from './replica.ts';

/** An authorization server in this process, and the MCP server as a process of its own. */
export type ServersWithDesk = {
  server: InProcess;
  /** Starts one more MCP server for the same resource, on a port and with a database of its own. */
  anotherDesk(): Promise<{ port: number }>;
  /** Starts one more authorization server on the same database, for the same issuer. */
  anotherServer(o: Pick<InProcessOptions, 'masterKeys'>): Promise<InProcess>;
  close(): Promise<void>;
};

/** What both are started with; the configuration may name the MCP server's URL, which is known only then. */
type ServersWithDeskOptions = Omit<InProcessOptions, 'databaseUrl' | 'configuration'> & {
  configuration?: Record<string, unknown> | ((mcpUrl: string) => Record<string, unknown>);
  /** Environment of both. */
  shared?: Record<string, string>;
};

/** Starts both, with databases of their own. `env` goes to the authorization server, `shared` to both. */
export async function startServersWithDesk({
  shared = {},
  configuration: given = {},
  ...options
}: ServersWithDeskOptions): Promise<ServersWithDesk> {
  const opened = new AsyncDisposableStack();
  const database = await createTestDatabase();
  opened.defer(() => database.drop());
  const mcpPort = await findFreePort();
  const mcpUrl = `http://localhost:${mcpPort}/mcp`;
  const env = { ...options.env, ...shared, PORTCULLIS_MCP_URL: mcpUrl };
  const configuration = typeof given === 'function' ? given(mcpUrl) : given;
  const server = await startInProcess({ ...options, configuration, databaseUrl: database.url, env });
  opened.defer(() => server.close());
  const startDesk = (port: number) =>
    startDeskProcess(opened, port, { ...shared, PORTCULLIS_ISSUER: server.issuer, PORTCULLIS_MCP_URL: mcpUrl });
  const close = () => opened.disposeAsync();
  await startDesk(mcpPort).catch(async (cause: unknown) => {
    await close();
    throw cause;
  });
  return {
    server,
    async anotherDesk() {
      const port = await findFreePort();
      await startDesk(port);
      return { port };
    },
    async anotherServer(o) {
      const { issuer } = server;
      const another = await startInProcess({ ...options, ...o, configuration, databaseUrl: database.url, env, issuer });
      opened.defer(() => another.close());
      return another;
    },
    close,
  };
}

async function startDeskProcess(
  opened: AsyncDisposableStack,
  port: number,
  env: Record<string, string>,
): Promise<void> {
  const database = await createTestDatabase();
  opened.defer(() => database.drop());
  const dataDir = makeDatabaseFolder('portcullis-desk-');
  opened.defer(() => rm(dataDir, { recursive: true, force: true }));
  const isPostgresql = database.url.startsWith('postgresql:');
  const desk = startServerProcess(MCP_SERVER, {
    ...env,
    PORTCULLIS_MCP_PORT: String(port),
    PORTCULLIS_DATA_DIR: dataDir,
    ...(isPostgresql && { PORTCULLIS_MCP_DATABASE_URL: database.url }),
  });
  opened.defer(async () => void (await desk.stop()));
  await untilReady(desk, port);
}
