import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestDatabase } from '@portcullis/test-database';
import { createTestDatabase } from '@portcullis/test-database';
import { findFreePort } from './loopback-server.ts';
import { pollUntil } from './poll.ts';
import type { ProcessEnd, ServerProcess } from './server-process.ts';
import { startServerProcess, untilReady } from './server-process.ts';

/** What differs from the defaults. */
export type StackOptions = {
  /** Environment variables of the authorization server, put over the stack's own. */
  authorizationServer?: Record<string, string>;
  /** Environment variables of the MCP server. */
  mcpServer?: Record<string, string>;
  /** Environment variables of both. */
  env?: Record<string, string>;
  /** Path of the issuer, such as `/tenant`; none by default. */
  issuerPath?: string;
  /** The MCP server's URL as clients see it, where something stands in front; a free loopback port by default. */
  mcpUrl?: string;
};

/** Both servers as processes of their own, on free ports, with a data folder and databases of their own. */
export type Stack = {
  issuer: string;
  mcpUrl: string;
  /** Port of 127.0.0.1 on which the MCP server listens. */
  mcpPort: number;
  /** The process that runs at the moment; after a restart another. */
  readonly authorizationServer: ServerProcess;
  readonly mcpServer: ServerProcess;
  /** The newest set-up link that the authorization server wrote to standard output. */
  setupLink(): Promise<string>;
  dataDir: string;
  /** URLs of the databases, `file:` or `postgresql:`. */
  databases: { authorizationServer: string; mcpServer: string };
  /** What each server gets as its environment. */
  env: { authorizationServer: Record<string, string>; mcpServer: Record<string, string> };
  /** All output of all processes so far. */
  logs(): string;
  /** Ends both with SIGTERM, and tells how they ended; nothing is removed. */
  stopServers(): Promise<{ authorizationServer: ProcessEnd; mcpServer: ProcessEnd }>;
  /** Ends both with SIGKILL, in the middle of whatever they do. */
  killHard(): Promise<void>;
  /** Starts both again (ending them with SIGTERM where they still run) and waits until they are ready. */
  restart(): Promise<void>;
  /** Ends both and removes the data folder and the databases. */
  stop(): Promise<void>;
};

const programs = {
  authorizationServer: new URL('../../../apps/authorization-server/dist/main.js', import.meta.url),
  mcpServer: new URL('../../../apps/mcp-server/dist/main.js', import.meta.url),
};

/** Starts both servers and waits until they are ready; on PostgreSQL in a Jest project of that kind, else on SQLite. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const plan = await planStack(options);
  const processes: { authorizationServer: ServerProcess; mcpServer: ServerProcess }[] = [];

  const start = async () => {
    const authorizationServer = startServerProcess(programs.authorizationServer, plan.env.authorizationServer);
    const mcpServer = startServerProcess(programs.mcpServer, plan.env.mcpServer);
    processes.push({ authorizationServer, mcpServer });
    await Promise.all([untilReady(authorizationServer, plan.port), untilReady(mcpServer, plan.mcpPort)]);
  };
  const running = () => {
    const newest = processes.at(-1);
    if (!newest) throw new Error('the stack was never started');
    return newest;
  };
  const stopServers = async () => {
    const { authorizationServer, mcpServer } = running();
    const [first, second] = await Promise.all([authorizationServer.stop(), mcpServer.stop()]);
    return { authorizationServer: first, mcpServer: second };
  };
  const killHard = async () => {
    const { authorizationServer, mcpServer } = running();
    await Promise.all([authorizationServer.kill(), mcpServer.kill()]);
  };

  const stack: Stack = {
    ...plan,
    get authorizationServer() {
      return running().authorizationServer;
    },
    get mcpServer() {
      return running().mcpServer;
    },
    setupLink: () =>
      pollUntil(() => newestSetupLink(running().authorizationServer.stdout()), { what: 'a set-up link' }),
    logs: () =>
      processes
        .flatMap(({ authorizationServer, mcpServer }) => [outputOf(authorizationServer), outputOf(mcpServer)])
        .join(''),
    stopServers,
    killHard,
    async restart() {
      await stopServers();
      await start();
    },
    async stop() {
      await stopServers();
      await plan.remove();
    },
  };

  await start().catch(async (cause: unknown) => {
    await killHard();
    await plan.remove();
    throw cause;
  });
  return stack;
}

async function planStack({ authorizationServer, mcpServer, env, mcpUrl: givenMcpUrl, issuerPath = '' }: StackOptions) {
  const port = Number(authorizationServer?.PORTCULLIS_PORT ?? (await findFreePort()));
  const mcpPort = Number(mcpServer?.PORTCULLIS_MCP_PORT ?? (await findFreePort()));
  const issuer = authorizationServer?.PORTCULLIS_ISSUER ?? `http://localhost:${port}${issuerPath}`;
  const mcpUrl = givenMcpUrl ?? `http://localhost:${mcpPort}/mcp`;
  const dataDir = await mkdtemp(path.join(tmpdir(), 'portcullis-stack-'));
  const postgresql = globalThis.portcullisTestDatabase === 'postgresql' ? await createDatabases() : undefined;
  const shared = {
    PORTCULLIS_ISSUER: issuer,
    PORTCULLIS_MCP_URL: mcpUrl,
    PORTCULLIS_DATA_DIR: dataDir,
    LOG_LEVEL: 'debug',
    PORTCULLIS_MCP_CLIENT_SECRET: randomBytes(32).toString('base64url'),
    ...env,
  };

  return {
    issuer,
    mcpUrl,
    port,
    mcpPort,
    dataDir,
    databases: {
      authorizationServer:
        postgresql?.authorizationServer.url ?? `file:${path.join(dataDir, 'authorization-server.sqlite')}`,
      mcpServer: postgresql?.mcpServer.url ?? `file:${path.join(dataDir, 'mcp-server.sqlite')}`,
    },
    env: {
      authorizationServer: {
        ...shared,
        PORTCULLIS_PORT: String(port),
        ...(postgresql && { DATABASE_URL: postgresql.authorizationServer.url }),
        ...authorizationServer,
      },
      mcpServer: {
        ...shared,
        PORTCULLIS_MCP_PORT: String(mcpPort),
        ...(postgresql && { PORTCULLIS_MCP_DATABASE_URL: postgresql.mcpServer.url }),
        ...mcpServer,
      },
    },
    async remove() {
      await Promise.all([postgresql?.authorizationServer.drop(), postgresql?.mcpServer.drop()]);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function createDatabases(): Promise<{ authorizationServer: TestDatabase; mcpServer: TestDatabase }> {
  return {
    authorizationServer: await createTestDatabase('postgresql'),
    mcpServer: await createTestDatabase('postgresql'),
  };
}

function newestSetupLink(output: string): string | undefined {
  return [...output.matchAll(/Set up the first administrator: (\S+)/g)].at(-1)?.[1];
}

function outputOf(server: ServerProcess): string {
  return server.stdout() + server.stderr();
}
