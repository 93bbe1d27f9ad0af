import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestDatabase } from '@portcullis/test-database';
import { createTestDatabase, findFreePort, makeDatabaseFolder } from '@portcullis/test-database';
import { pollUntil } from './poll.ts';
import { type ProductionProxy, prepareProductionProxy } from './production-proxy.ts';
import type { ProcessEnd, ServerProcess } from './server-process.ts';
import { startServerProcess, untilReady } from './server-process.ts';

declare global {
  /** Whether the running Jest project puts the TLS proxy in front; unset outside such a project. */
  var portcullisTestBehindProxy: true | undefined;
}

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
  /**
   * Starts what production has: the TLS proxy of docker-compose.yml in front, https addresses, and two replicas of each
   * server where the database is PostgreSQL. By default only where `PORTCULLIS_TEST_BEHIND_PROXY` is set, or the Jest
   * project says so, for stacks that have nothing of their own in front.
   */
  behindProxy?: boolean;
  /** Why this stack makes no sense behind the proxy, whatever the environment says; docs/production.md lists these. */
  neverBehindProxy?: string;
  /** Whether what is stored goes to the disk as in a real installation; by default in memory, where it can be. */
  durable?: boolean;
  /** Leaves the MCP server out, for tests that never ask it; behind the proxy it is there all the same. */
  authorizationServerAlone?: boolean;
  /** One of each server behind the proxy too, for tests of what one process does, counts or loses. */
  oneOfEach?: boolean;
};

/** Both servers as processes of their own, on free ports, with a data folder and databases of their own. */
export type Stack = {
  issuer: string;
  mcpUrl: string;
  /** Port of 127.0.0.1 on which the authorization server listens, past whatever is in front. */
  port: number;
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
  /** What each server gets as its environment; of replicas the first. */
  env: { authorizationServer: Record<string, string>; mcpServer: Record<string, string> };
  /** What each replica gets at its next start. */
  environments: { authorizationServers: Record<string, string>[]; mcpServers: Record<string, string>[] };
  /** What another program needs in its environment to trust the proxy in front; empty where there is none. */
  trust: Record<string, string>;
  /** All output of all processes so far. */
  logs(): string;
  /** What the proxy in front wrote so far; nothing where there is none. */
  proxyLogs(): string;
  /**
   * Ends and starts one server after another, as an upgrade does, each once the proxy in front uses the one before, and
   * tells how each ended.
   */
  rollOver(): Promise<ProcessEnd[]>;
  /** Ends both with SIGTERM, and tells how they ended; nothing is removed. */
  stopServers(): Promise<{ authorizationServer: ProcessEnd; mcpServer: ProcessEnd | undefined }>;
  /** Ends both with SIGKILL, in the middle of whatever they do. */
  killHard(): Promise<void>;
  /** Starts both again (ending them with SIGTERM where they still run) and waits until they are ready and in use. */
  restart(): Promise<void>;
  /** Waits until the proxy in front, where there is one, has noticed that all servers are ready. */
  untilInUse(): Promise<void>;
  /** Ends both and removes the data folder and the databases. */
  stop(): Promise<void>;
};

const programs = {
  authorizationServer: new URL('../../../apps/authorization-server/dist/main.js', import.meta.url),
  mcpServer: new URL('../../../apps/mcp-server/dist/main.js', import.meta.url),
};

/** A server that a stack runs, and where. */
type Place = { program: URL; port: number; env: Record<string, string> };
type Running = { place: Place; server: ServerProcess };

/** Starts both servers and waits until they are ready; on PostgreSQL in a Jest project of that kind, else on SQLite. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const plan = await planStack(options);
  const started: ServerProcess[] = [];
  let running: Running[] = [];

  const startAt = async (places: readonly Place[]) => {
    const starting = places.map((place) => ({ place, server: startServerProcess(place.program, place.env) }));
    running = [...running.filter(({ place }) => !places.includes(place)), ...starting];
    started.push(...starting.map(({ server }) => server));
    await Promise.all(starting.map(({ place, server }) => untilReady(server, place.port)));
  };
  const serverAt = (place: Place) => {
    const found = running.find((each) => each.place === place);
    if (!found) throw new Error('the stack was never started');
    return found.server;
  };
  const [authorizationServer, mcpServer] = [plan.authorizationServers[0], plan.mcpServers[0]];
  const isAlone = options.authorizationServerAlone === true && plan.proxy === undefined;
  const places = [...plan.authorizationServers, ...(isAlone ? [] : plan.mcpServers)];
  const stopServers = async () => {
    await Promise.all(places.map((place) => serverAt(place).stop()));
    const ends = [serverAt(authorizationServer).ended, isAlone ? undefined : serverAt(mcpServer).ended] as const;
    const [first, second] = await Promise.all(ends);
    return { authorizationServer: first, mcpServer: second };
  };
  const killHard = async () => {
    await Promise.all(places.map((place) => serverAt(place).kill()));
  };

  const untilInUse = async () => {
    await Promise.all(places.map(({ port }) => plan.proxy?.untilUsed(port)));
  };

  const stack: Stack = {
    ...plan,
    port: authorizationServer.port,
    mcpPort: mcpServer.port,
    env: { authorizationServer: authorizationServer.env, mcpServer: mcpServer.env },
    environments: {
      authorizationServers: plan.authorizationServers.map(({ env }) => env),
      mcpServers: plan.mcpServers.map(({ env }) => env),
    },
    get authorizationServer() {
      return serverAt(authorizationServer);
    },
    get mcpServer() {
      return serverAt(mcpServer);
    },
    setupLink: () =>
      pollUntil(() => newestSetupLink(serverAt(authorizationServer).stdout()), { what: 'a set-up link' }),
    logs: () => started.map(outputOf).join(''),
    proxyLogs: () => plan.proxy?.logs() ?? '',
    stopServers,
    killHard,
    untilInUse,
    async restart() {
      await stopServers();
      await startAt(places);
      await untilInUse();
    },
    async rollOver() {
      const ends = [];
      for (const place of places) {
        ends.push(await serverAt(place).stop());
        await startAt([place]);
        await plan.proxy?.untilUsed(place.port);
      }
      return ends;
    },
    async stop() {
      await stopServers();
      await plan.remove();
    },
  };

  plan.proxy?.start({
    authorizationServers: plan.authorizationServers.map(({ port }) => port),
    mcpServers: plan.mcpServers.map(({ port }) => port),
  });
  await startAt(places).catch(async (cause: unknown) => {
    await killHard();
    await plan.remove();
    throw cause;
  });
  return stack;
}

type Plan = Pick<Stack, 'issuer' | 'mcpUrl' | 'dataDir' | 'databases' | 'trust'> & {
  authorizationServers: [Place, ...Place[]];
  mcpServers: [Place, ...Place[]];
  proxy: ProductionProxy | undefined;
  remove(): Promise<void>;
};

async function planStack(options: StackOptions): Promise<Plan> {
  const { authorizationServer, mcpServer, env, issuerPath = '', durable = false } = options;
  const port = Number(authorizationServer?.PORTCULLIS_PORT ?? (await findFreePort()));
  const mcpPort = Number(mcpServer?.PORTCULLIS_MCP_PORT ?? (await findFreePort()));
  const proxy = isBehindProxy(options) ? await prepareProductionProxy() : undefined;
  const issuer =
    authorizationServer?.PORTCULLIS_ISSUER ?? `${proxy?.loginOrigin ?? `http://localhost:${port}`}${issuerPath}`;
  const mcpUrl = options.mcpUrl ?? `${proxy?.deskOrigin ?? `http://localhost:${mcpPort}`}/mcp`;
  const dataDir = makeDatabaseFolder('portcullis-stack-', { durable });
  const postgresql = globalThis.portcullisTestDatabase === 'postgresql' ? await createDatabases() : undefined;
  const trust: Record<string, string> = proxy ? { NODE_EXTRA_CA_CERTS: proxy.authorityFile } : {};
  const shared = {
    PORTCULLIS_ISSUER: issuer,
    PORTCULLIS_MCP_URL: mcpUrl,
    LOG_LEVEL: 'debug',
    PORTCULLIS_MCP_CLIENT_SECRET: randomBytes(32).toString('base64url'),
    ...(proxy && { PORTCULLIS_TRUST_PROXY: '1' }),
    ...trust,
    ...env,
  };
  const authorizationServerAt = (at: number, folder: string): Place => ({
    program: programs.authorizationServer,
    port: at,
    env: {
      PORTCULLIS_DATA_DIR: folder,
      ...shared,
      PORTCULLIS_PORT: String(at),
      ...(postgresql && { DATABASE_URL: postgresql.authorizationServer.url }),
      ...authorizationServer,
    },
  });
  const mcpServerAt = (at: number, folder: string): Place => ({
    program: programs.mcpServer,
    port: at,
    env: {
      PORTCULLIS_DATA_DIR: folder,
      ...shared,
      PORTCULLIS_MCP_PORT: String(at),
      ...(postgresql && { PORTCULLIS_MCP_DATABASE_URL: postgresql.mcpServer.url }),
      ...mcpServer,
    },
  });
  const second = path.join(dataDir, 'second-replica');
  const isPair = proxy !== undefined && postgresql !== undefined && !options.oneOfEach;
  const keyGiven = { ...env, ...authorizationServer }.PORTCULLIS_MASTER_KEY;
  if (isPair && keyGiven === undefined) await shareMasterKey([dataDir, second]);

  return {
    issuer,
    mcpUrl,
    dataDir,
    trust,
    proxy,
    databases: {
      authorizationServer:
        postgresql?.authorizationServer.url ?? `file:${path.join(dataDir, 'authorization-server.sqlite')}`,
      mcpServer: postgresql?.mcpServer.url ?? `file:${path.join(dataDir, 'mcp-server.sqlite')}`,
    },
    authorizationServers: [
      authorizationServerAt(port, dataDir),
      ...(isPair ? [authorizationServerAt(await findFreePort(), second)] : []),
    ],
    mcpServers: [mcpServerAt(mcpPort, dataDir), ...(isPair ? [mcpServerAt(await findFreePort(), second)] : [])],
    async remove() {
      await proxy?.stop();
      await Promise.all([postgresql?.authorizationServer.drop(), postgresql?.mcpServer.drop()]);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A stack that says where it listens, or what its address is, has something of its own in front. */
function isBehindProxy(options: StackOptions) {
  const { behindProxy, neverBehindProxy, authorizationServer = {}, mcpServer = {}, env = {}, mcpUrl } = options;
  if (neverBehindProxy !== undefined) return false;
  if (behindProxy !== undefined) return behindProxy;
  const given = [
    ...[authorizationServer.PORTCULLIS_ISSUER, authorizationServer.PORTCULLIS_PORT],
    ...[mcpServer.PORTCULLIS_MCP_PORT, env.PORTCULLIS_MCP_URL, mcpUrl],
  ];
  const isAsked = Boolean(process.env.PORTCULLIS_TEST_BEHIND_PROXY) || globalThis.portcullisTestBehindProxy;
  return Boolean(isAsked) && given.every((each) => each === undefined);
}

/** Puts one key where each replica of the authorization server would make one for itself. */
async function shareMasterKey(folders: readonly string[]): Promise<void> {
  const key = randomBytes(32).toString('base64url');
  for (const folder of folders) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path.join(folder, 'master-key'), `${key}\n`, { mode: 0o600 });
  }
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
