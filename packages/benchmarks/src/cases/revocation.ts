import { startPostgresql } from '@portcullis/test-database';
import type { BenchmarkCase, CaseResult } from '../benchmark-case.ts';
import { type Portcullis, startPortcullis } from '../peers/portcullis.ts';
import { portcullisTarget } from '../peers/portcullis-subject.ts';
import { createDatabase } from '../peers/subjects.ts';
import { exchange } from '../scenarios/http-exchange.ts';
import { signInToNewClient } from '../scenarios/journey.ts';
import { createPerson } from '../scenarios/person.ts';
import { byAdministrator, byClient, byUser, type Revoking } from '../scenarios/revocation.ts';
import { percentileOf, spreadOf } from '../statistics.ts';

/** What the README promises. */
const WITHIN_MS = 1000;
/** After so long a token that is still taken is a fault, and the run ends. */
const GIVE_UP_MS = 30_000;

/** From the answer to a revocation until the guard of each MCP server refuses the grant's token, its feed connected. */
export const revocation: BenchmarkCase = {
  name: 'revocation',
  async run({ quick, servers, size: times = quick ? 1 : 100 }) {
    await using started = new AsyncDisposableStack();
    const all = [await onPlace('SQLite', { times, portcullis: await servers.portcullis(), hasReplicas: false })];
    if (!quick) {
      const cluster = started.adopt(await startPostgresql(), (one) => one.stop());
      const databases = {
        authorizationServer: await createDatabase(cluster.url, 'authorization_server'),
        mcpServer: await createDatabase(cluster.url, 'mcp_server'),
      };
      const portcullis = await startPortcullis(databases);
      all.push(await onPlace('PostgreSQL', { times, portcullis, hasReplicas: true }));
    }
    return describe(all.flat(), times);
  },
};

/** How long it took, time after time, in milliseconds. */
type Delays = { name: string; delays: readonly number[] };

async function onPlace(
  place: string,
  { times, portcullis, hasReplicas }: { times: number; portcullis: Portcullis; hasReplicas: boolean },
): Promise<Delays[]> {
  await using started = new AsyncDisposableStack();
  started.adopt(portcullis, (one) => one.stop());
  const target = portcullisTarget(portcullis);
  const person = createPerson(target.person);
  // Who has signed in before has an account page.
  await signInToNewClient(target, person);
  const ways = [
    byClient('the client, POST /revoke', target),
    byUser('the user, account page', person),
    await byAdministrator('an administrator, admin API', target),
  ];
  const measured: Delays[] = [];
  const measure = async (what: string, { revoking, ports }: { revoking: Revoking; ports: readonly number[] }) => {
    const name = `${place}, ${what}: ${revoking.name}`;
    const delays: number[] = [];
    for (let nth = 0; nth < times; nth++) delays.push(await delayOf(revoking, { portcullis, person, ports }));
    process.stderr.write(`  ${name}\n`);
    measured.push({ name, delays });
  };
  for (const revoking of ways) await measure('1 MCP server', { revoking, ports: [portcullis.mcpPort] });
  const other = started.adopt(await portcullis.startMcpReplica(), (one) => one.stop());
  const ports = [portcullis.mcpPort, other.port];
  for (const revoking of ways) await measure('2 MCP servers', { revoking, ports });
  if (hasReplicas) {
    // The streams are held by the first one; it learns of this from the database alone.
    const replica = started.adopt(await portcullis.startReplica(), (one) => one.stop());
    const revoking = byClient('the client, POST /revoke', target, replica.port);
    await measure('2 MCP servers, at another replica', { revoking, ports });
  }
  return measured;
}

type About = { portcullis: Portcullis; person: ReturnType<typeof createPerson>; ports: readonly number[] };

/** Signs in, sees that the token is good, ends its grant, and calls without a pause until nobody takes it any more. */
async function delayOf(revoking: Revoking, { portcullis, person, ports }: About): Promise<number> {
  const signedIn = await signInToNewClient(portcullisTarget(portcullis), person);
  const calls = ports.map((port) => () => statusOf({ url: portcullis.mcpUrl, port, token: signedIn.access }));
  for (const call of calls) if ((await call()) !== 200) throw new Error('the token was never good');
  const revoke = await revoking.open(signedIn);
  await revoke();
  const answeredAt = performance.now();
  return Math.max(...(await Promise.all(calls.map((call) => untilRefused(call, answeredAt)))));
}

async function untilRefused(call: () => Promise<number>, since: number): Promise<number> {
  for (;;) {
    const status = await call();
    const passedMs = performance.now() - since;
    if (status === 401) return passedMs;
    if (status !== 200 || passedMs > GIVE_UP_MS) throw new Error(`status ${status} after ${passedMs.toFixed(0)} ms`);
  }
}

async function statusOf({ url, port, token }: { url: string; port: number; token: string }): Promise<number> {
  const { host, pathname } = new URL(url);
  const headers = {
    ...{ host, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' },
  };
  const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
  return (await exchange({ url: new URL(`http://127.0.0.1:${port}${pathname}`), headers, body })).status;
}

function describe(all: readonly Delays[], times: number): CaseResult {
  const figure = (value: number) => value.toFixed(1);
  return {
    name: revocation.name,
    tables: [
      {
        title: 'From the answer to the revocation until every MCP server has refused the token, ms',
        columns: ['who ended the grant', 'median', 'p95', 'most'],
        lines: all.map(({ name, delays }) => [
          name,
          figure(spreadOf(delays).median),
          figure(percentileOf(delays, 0.95)),
          figure(Math.max(...delays)),
        ]),
      },
    ],
    charts: [
      {
        title: 'Until a revoked token is refused everywhere',
        unit: 'ms',
        bars: all.map(({ name, delays }) => ({ name, ...spreadOf(delays) })),
      },
    ],
    goals: all.map(({ name, delays }) => ({
      what: `ms until the last refusal, at most of ${times}: ${name}`,
      sense: 'at most',
      wanted: WITHIN_MS,
      measured: Math.max(...delays),
    })),
    notes: [
      `${times} grants each, one after another, each of a client of its own. From the answer on every MCP server is called again and again, one call at a time, until it answers 401: the figure holds that call, so that it is never below the time of one.`,
    ],
  };
}
