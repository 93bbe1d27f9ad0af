import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, type Stack } from '../../../src/index.ts';
import { startServerProcess, untilReady } from '../../../src/server-process.ts';

/** A second server on a database of a stack. */
export type Replica = { port: number; stop(): Promise<void> };

/** Where the authorization server's program is. */
export const AUTHORIZATION_SERVER = new URL('../../../../../apps/authorization-server/dist/main.js', import.meta.url);

/** Where the MCP server's program is. */
export const MCP_SERVER = new URL('../../../../../apps/mcp-server/dist/main.js', import.meta.url);

/** Starts a second authorization server with the stack's settings, but a port and a data folder of its own. */
export function startReplica(stack: Stack): Promise<Replica> {
  return start(AUTHORIZATION_SERVER, (port) => ({ ...stack.env.authorizationServer, PORTCULLIS_PORT: String(port) }));
}

/** Starts a second MCP server likewise. */
export function startMcpReplica(stack: Stack): Promise<Replica> {
  return start(MCP_SERVER, (port) => ({ ...stack.env.mcpServer, PORTCULLIS_MCP_PORT: String(port) }));
}

async function start(program: URL, envWith: (port: number) => Record<string, string>): Promise<Replica> {
  const port = await findFreePort();
  const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-replica-'));
  const server = startServerProcess(program, { ...envWith(port), PORTCULLIS_DATA_DIR: dataDir });
  await untilReady(server, port);
  return {
    port,
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
