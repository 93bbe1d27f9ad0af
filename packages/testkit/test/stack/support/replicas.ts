import { type Database, openDatabase } from '@portcullis/persistence';
import { createTestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../../src/index.ts';
import { createHttpPerson, requestToken, startStack } from '../../../src/index.ts';
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
  const stack = await startStack({ authorizationServer: { ...OWNER_ENV, ...env } });
  const ports = [Number(new URL(stack.issuer).port)];
  return contest({ ...stack, ports, databaseUrl: stack.databases.authorizationServer, stop: () => stack.stop() });
}

/**
 * Starts two: processes, each with a data folder of its own, as behind a load balancer. A second process on the same
 * SQLite folder is refused, so there two connections stand in for it.
 */
export async function startTwo(env: Record<string, string> = {}): Promise<Replicas> {
  if (globalThis.portcullisTestDatabase === 'postgresql') {
    const masterKey = Buffer.alloc(32, 7).toString('base64url');
    const stack = await startStack({
      authorizationServer: { ...OWNER_ENV, PORTCULLIS_MASTER_KEY: masterKey, ...env },
    });
    const second = await startReplica(stack);
    return contest({
      ...stack,
      ports: [Number(new URL(stack.issuer).port), second.port],
      databaseUrl: stack.databases.authorizationServer,
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
    ports: [first.port, second.port],
    databaseUrl,
    stop: async () => {
      await second.close();
      await first.close();
      await drop();
    },
  });
}

async function contest(o: {
  issuer: string;
  mcpUrl: string;
  ports: readonly number[];
  databaseUrl: string;
  stop(): Promise<void>;
}): Promise<Replicas> {
  const target = await targetOf(o);
  const { host } = new URL(o.issuer);
  const endpoints = o.ports.map((port) => ({ ...target.server, token_endpoint: `http://localhost:${port}/token` }));
  const database = await openDatabase({ url: o.databaseUrl });
  return {
    target,
    client: await registerClient(target),
    person: createHttpPerson(),
    database,
    atOnce: (count, params) =>
      Promise.all(
        Array.from({ length: count }, (_, index) =>
          requestToken(endpoints[index % endpoints.length] ?? target.server, params(index), { headers: { host } }),
        ),
      ),
    async stop() {
      await database.close();
      await o.stop();
    },
  };
}
