import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, type Stack } from '../../../src/index.ts';
import { startServerProcess, untilReady } from '../../../src/server-process.ts';

/** A second authorization server on the database of a stack. */
export type Replica = { port: number; stop(): Promise<void> };

/** Where the authorization server's program is. */
export const AUTHORIZATION_SERVER = new URL('../../../../../apps/authorization-server/dist/main.js', import.meta.url);

/** Where the MCP server's program is. */
export const MCP_SERVER = new URL('../../../../../apps/mcp-server/dist/main.js', import.meta.url);

/** Starts a process with the stack's settings, but a port and a data folder of its own. */
export async function startReplica(stack: Stack): Promise<Replica> {
  const port = await findFreePort();
  const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-replica-'));
  const env = { ...stack.env.authorizationServer, PORTCULLIS_PORT: String(port), PORTCULLIS_DATA_DIR: dataDir };
  const server = startServerProcess(AUTHORIZATION_SERVER, env);
  await untilReady(server, port);
  return {
    port,
    async stop() {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
