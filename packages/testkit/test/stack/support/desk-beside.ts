import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase } from '@portcullis/test-database';
import { findFreePort } from '../../../src/index.ts';
import { startServerProcess, untilReady } from '../../../src/server-process.ts';
import type { InProcess, InProcessOptions } from './in-process.ts';
import { startInProcess } from './in-process.ts';
import { MCP_SERVER } from './replica.ts';

/** An authorization server in this process, and the MCP server as a process of its own. */
export type ServersWithDesk = { server: InProcess; close(): Promise<void> };

/** Starts both, with databases of their own. */
export async function startServersWithDesk(options: Omit<InProcessOptions, 'databaseUrl'>): Promise<ServersWithDesk> {
  const databases = [await createTestDatabase(), await createTestDatabase()] as const;
  const mcpPort = await findFreePort();
  const mcpUrl = `http://localhost:${mcpPort}/mcp`;
  const server = await startInProcess({
    ...options,
    databaseUrl: databases[0].url,
    env: { ...options.env, PORTCULLIS_MCP_URL: mcpUrl },
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-desk-'));
  const isPostgresql = databases[1].url.startsWith('postgresql:');
  const desk = startServerProcess(MCP_SERVER, {
    PORTCULLIS_ISSUER: server.issuer,
    PORTCULLIS_MCP_URL: mcpUrl,
    PORTCULLIS_MCP_PORT: String(mcpPort),
    PORTCULLIS_DATA_DIR: dataDir,
    ...(isPostgresql && { PORTCULLIS_MCP_DATABASE_URL: databases[1].url }),
  });
  const close = async () => {
    await desk.stop();
    await server.close();
    await Promise.all(databases.map((database) => database.drop()));
    await rm(dataDir, { recursive: true, force: true });
  };
  await untilReady(desk, mcpPort).catch(async (cause: unknown) => {
    await close();
    throw cause;
  });
  return { server, close };
}
