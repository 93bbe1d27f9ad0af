import { Agent } from 'node:https';
import { type Database, openDatabase } from '@portcullis/persistence';
import { createTestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../../src/index.ts';
import { createHttpPerson, requestToken, sendRaw, startStack } from '../../../src/index.ts';
import { registerClient, type Target, type TestClient, targetOf } from './authorization.ts';
import { startInProcess } from './in-process.ts';
import { OWNER_ENV } from './owner.ts';
import { startReplica } from './replica.ts';

/** One or two authorization servers on one database, with a client and a person who signs in. */
export type Replicas = {
  target: Target;
  client: TestClient;
  person: HttpPerson;
  /** A connection of the test's own. */
  database: Database;
  /** Sends so many token requests at once, to the servers in turn; each gets the parameters of its index. */
  atOnce(count: number, params: (index: number) => Record<string, string | undefined>): Promise<JsonAnswer[]>;
  stop(): Promise<void>;
};

/** Starts one server as a process of its own. */
export async function startOne(env: Record<string, string> = {}): Promise<Replicas> {
  const stack = await startStack({
    oneOfEach: true,
    authorizationServerAlone: true,
    authorizationServer: { ...OWNER_ENV, ...env },
  });
  const origins = [new URL(stack.issuer).origin];
  const { issuer, mcpUrl } = stack;
  const databaseUrl = stack.databases.authorizationServer;
  return contest({ issuer, mcpUrl, origins, databaseUrl, stop: () => stack.stop() });
}

/**
 * Starts two: processes, each with a data folder of its own, as behind a load balancer. A second process on the same
 * SQLite folder is refused, so there two connections stand in for it.
 */
export async function startTwo(env: Record<string, string> = {}): Promise<Replicas> {
  if (globalThis.portcullisTestDatabase === 'postgresql') {
    const masterKey = Buffer.alloc(32, 7).toString('base64url');
    const stack = await startStack({
      authorizationServerAlone: true,
      authorizationServer: { ...OWNER_ENV, PORTCULLIS_MASTER_KEY: masterKey, ...env },
    });
    const { issuer, mcpUrl } = stack;
    const databaseUrl = stack.databases.authorizationServer;
    const origin = new URL(issuer).origin;
    // A proxy in front has two behind it.
    const { length } = stack.environments.authorizationServers;
    if (length > 1) return contest({ issuer, mcpUrl, origins: [origin], databaseUrl, stop: () => stack.stop() });
    const second = await startReplica(stack);
    return contest({
      issuer,
      mcpUrl,
      origins: [origin, originOf(second)],
      databaseUrl,
      stop: async () => {
        await second.stop();
        await stack.stop();
      },
    });
  }
  const { url: databaseUrl, drop } = await createTestDatabase();
  const first = await startInProcess({ databaseUrl, env: { ...OWNER_ENV, ...env } });
  const second = await startInProcess({ databaseUrl, env, issuer: first.issuer });
  return contest({
    ...first,
    origins: [originOf(first), originOf(second)],
    databaseUrl,
    stop: async () => {
      await second.close();
      await first.close();
      await drop();
    },
  });
}

const originOf = ({ port }: { port: number }) => `http://localhost:${port}`;

async function contest(o: {
  issuer: string;
  mcpUrl: string;
  /** Where the servers, or what is in front of them, may be asked. */
  origins: readonly string[];
  databaseUrl: string;
  stop(): Promise<void>;
}): Promise<Replicas> {
  const target = await targetOf(o);
  const { host } = new URL(o.issuer);
  const endpoints = o.origins.map((origin) => ({ ...target.server, token_endpoint: `${origin}/token` }));
  const database = await openDatabase({ url: o.databaseUrl });
  const connections = new Map<number, Agent>();
  /** What keeps one connection open. Handshakes take their turns, and requests behind them would not be at once. */
  const connected = async (index: number) => {
    const agent = connections.get(index) ?? new Agent({ keepAlive: true, maxSockets: 1 });
    connections.set(index, agent);
    await sendRaw(`${o.issuer}/healthz`, { agent });
    return agent;
  };
  const isByTls = o.issuer.startsWith('https:');
  return {
    target,
    client: await registerClient(target),
    person: createHttpPerson(),
    database,
    async atOnce(count, params) {
      const indices = [...Array(count).keys()];
      const agents = isByTls ? await Promise.all(indices.map(connected)) : [];
      return Promise.all(
        indices.map((index) => {
          const agent = agents[index];
          const raw = { headers: { host }, ...(agent && { agent }) };
          return requestToken(endpoints[index % endpoints.length] ?? target.server, params(index), raw);
        }),
      );
    },
    async stop() {
      for (const agent of connections.values()) agent.destroy();
      await database.close();
      await o.stop();
    },
  };
}
