import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, pollUntil, startServerProcess, startStack, untilReady } from '@portcullis/testkit';
import { profilingOptions } from '../child-program.ts';

/** Who signs in at the servers that are measured. */
export const PERSON = { email: 'owner@example.com', password: 'correct horse battery staple' };

/** A whole Portcullis: both servers, with the database and the audit trail that they have in production. */
export type Portcullis = {
  issuer: string;
  mcpUrl: string;
  mcpPort: number;
  /** Who the MCP server is at the issuer. */
  resourceServer: { clientId: string; clientSecret: string };
  pids: { authorizationServer: number; mcpServer: number };
  /** Its authorization server's database. */
  databaseUrl: string;
  /** Starts another authorization server on the same database, which must be PostgreSQL's. */
  startReplica(): Promise<Replica>;
  /** Starts another MCP server for the same resource, and waits until it hears of revocations. */
  startMcpReplica(): Promise<Replica>;
  stop(): Promise<void>;
};

/** One more server. */
type Replica = { pid: number; port: number; stop(): Promise<void> };

const AUTHORIZATION_SERVER = new URL('../../../../apps/authorization-server/dist/main.js', import.meta.url);
const MCP_SERVER = new URL('../../../../apps/mcp-server/dist/main.js', import.meta.url);

/** What an MCP server logs when its guard hears of revocations. */
const HEARS_REVOCATIONS = 'revocation: heard of at once';

/** As high as limits go: what is measured is the work, and limits are there to end it. */
const LIMITS = {
  PORTCULLIS_MCP_USER_POINTS_PER_MINUTE: '100000000',
  PORTCULLIS_MCP_USER_POINTS_PER_DAY: '100000000',
  PORTCULLIS_MCP_CLIENT_POINTS_PER_MINUTE: '100000000',
  PORTCULLIS_MCP_CLIENT_POINTS_PER_DAY: '100000000',
  PORTCULLIS_MCP_TOOL_CALLS_PER_MINUTE: '100000000',
  PORTCULLIS_MCP_USER_CALLS_AT_ONCE: '128',
};

const CONFIGURATION = { registration: { quota: { perNetworkPerHour: 1_000_000, overallPerHour: 1_000_000 } } };

/**
 * Starts both servers on SQLite, or on two databases of a PostgreSQL server.
 *
 * @param variables what both get in their environment besides
 */
export async function startPortcullis(
  databases?: { authorizationServer: string; mcpServer: string },
  variables: Readonly<Record<string, string>> = {},
): Promise<Portcullis> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-benchmark-'));
  const configuration = join(folder, 'portcullis.config.json');
  await writeFile(configuration, JSON.stringify(CONFIGURATION));
  const stack = await startStack({
    durable: true,
    env: {
      LOG_LEVEL: 'info',
      // As in the image, and with npm start.
      MALLOC_ARENA_MAX: '2',
      PORTCULLIS_CONFIG: configuration,
      PORTCULLIS_ACCESS_TOKEN_TTL: '3600',
      ...variables,
      ...(profilingOptions().length > 0 && { NODE_OPTIONS: profilingOptions().join(' ') }),
    },
    authorizationServer: {
      // Replicas have no data folder in common, in which one would be made for them.
      PORTCULLIS_MASTER_KEY: randomBytes(32).toString('base64url'),
      PORTCULLIS_ADMIN_EMAIL: PERSON.email,
      PORTCULLIS_ADMIN_PASSWORD: PERSON.password,
      ...(databases && { DATABASE_URL: databases.authorizationServer }),
    },
    mcpServer: { ...LIMITS, ...(databases && { PORTCULLIS_MCP_DATABASE_URL: databases.mcpServer }) },
  });
  const { authorizationServer, mcpServer } = stack;
  await pollUntil(() => mcpServer.stdout().includes(HEARS_REVOCATIONS), { what: 'the feed of revocations' });
  return {
    issuer: stack.issuer,
    mcpUrl: stack.mcpUrl,
    mcpPort: stack.mcpPort,
    resourceServer: {
      clientId: 'mcp-server',
      clientSecret: stack.env.mcpServer.PORTCULLIS_MCP_CLIENT_SECRET ?? '',
    },
    pids: { authorizationServer: authorizationServer.pid, mcpServer: mcpServer.pid },
    databaseUrl: databases?.authorizationServer ?? stack.databases.authorizationServer,
    async startReplica() {
      const port = await findFreePort();
      const server = startServerProcess(AUTHORIZATION_SERVER, {
        ...stack.env.authorizationServer,
        PORTCULLIS_PORT: String(port),
        PORTCULLIS_DATA_DIR: join(folder, `replica-${port}`),
      });
      await untilReady(server, port);
      return { pid: server.pid, port, stop: async () => void (await server.stop()) };
    },
    async startMcpReplica() {
      const port = await findFreePort();
      const server = startServerProcess(MCP_SERVER, {
        ...stack.env.mcpServer,
        PORTCULLIS_MCP_PORT: String(port),
        PORTCULLIS_DATA_DIR: join(folder, `mcp-replica-${port}`),
      });
      await untilReady(server, port);
      await pollUntil(() => server.stdout().includes(HEARS_REVOCATIONS), { what: 'the feed of revocations' });
      return { pid: server.pid, port, stop: async () => void (await server.stop()) };
    },
    async stop() {
      await stack.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
