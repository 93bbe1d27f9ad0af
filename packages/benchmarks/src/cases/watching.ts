import { findFreePort } from '@portcullis/testkit';
import type { BenchmarkCase } from '../benchmark-case.ts';
import { type Collector, startCollector } from '../collector.ts';
import { chartOf, tableOf } from '../comparison.ts';
import { measureInterleaved, type Variant } from '../interleaved.ts';
import { type LoadGenerator, loadVariant } from '../load-generator.ts';
import { type Portcullis, startPortcullis } from '../peers/portcullis.ts';
import { portcullisTarget } from '../peers/portcullis-subject.ts';
import { familiesOf, signInToNewClient } from '../scenarios/journey.ts';
import { createPerson } from '../scenarios/person.ts';

const UNWATCHED = 'neither metrics nor traces';
/** As often as Prometheus usually asks. */
const SCRAPE_MS = 15_000;

/** What metrics and traces cost a refresh, and a call of a tool of the support desk; all on SQLite. */
export const watching: BenchmarkCase = {
  name: 'watching',
  async run({ quick, servers, rounds = quick ? 1 : 20, size: steps = quick ? 2 : 150 }) {
    await using started = new AsyncDisposableStack();
    const generator = started.adopt(await servers.loadGenerator(), (one) => one.stop());
    const collector = started.adopt(await startCollector(), (one) => one.close());
    const atOnce = quick ? 2 : 16;
    const refreshing: Variant[] = [];
    const calling: Variant[] = [];
    const [unwatched, ...watched] = await waysToWatch(collector);
    for (const { name, variables } of [unwatched, ...(quick ? watched.slice(-1) : watched)]) {
      const starting = name === UNWATCHED ? servers.portcullis() : startPortcullis(undefined, variables);
      const portcullis = started.adopt(await starting, (one) => one.stop());
      const ports = Object.entries(variables).flatMap(([key, value]) => (key.endsWith('METRICS_PORT') ? [value] : []));
      started.defer(scraped(ports));
      refreshing.push(await refreshes(portcullis, { name, generator, atOnce }));
      calling.push(await calls(portcullis, { name, generator, atOnce }));
    }
    const effort = { rounds, steps, warmUp: quick ? 2 : steps * 4 };
    const refreshed = await measureInterleaved(refreshing, effort);
    const called = await measureInterleaved(calling, effort);
    return {
      name: watching.name,
      tables: [
        tableOf('Refresh with rotation', refreshed, UNWATCHED),
        tableOf('tools/call of whoami at the support desk', called, UNWATCHED),
      ],
      charts: [chartOf('Refresh with rotation', refreshed), chartOf('tools/call of whoami', called)],
      notes: [
        `${rounds} rounds after warming up, ${steps} requests each, ${atOnce} at once; servers in turn, medians.`,
        `Metrics are read every ${SCRAPE_MS / 1000} s. Of traces every request is one (the default), and they go to a collector on this machine, which got ${(collector.receivedBytes() / 2 ** 20).toFixed(1)} MB.`,
        'CPU is that of the authorization server, and with the call that of the MCP server in addition, without a collector.',
      ],
    };
  },
};

type Way = { name: string; variables: Record<string, string> };

async function waysToWatch({ url }: Collector): Promise<[Way, ...Way[]]> {
  const metrics = async () => ({
    PORTCULLIS_METRICS_PORT: String(await findFreePort()),
    PORTCULLIS_MCP_METRICS_PORT: String(await findFreePort()),
  });
  const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: url };
  return [
    { name: UNWATCHED, variables: {} },
    { name: 'metrics', variables: await metrics() },
    { name: 'traces', variables: traces },
    { name: 'metrics and traces', variables: { ...(await metrics()), ...traces } },
  ];
}

/** Reads metrics now and then, until it is told to stop. */
function scraped(ports: readonly string[]): () => void {
  const scrape = () => Promise.all(ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()));
  const scraping = setInterval(() => void scrape().catch(() => undefined), SCRAPE_MS);
  return () => clearInterval(scraping);
}

type About = { name: string; generator: LoadGenerator; atOnce: number };

async function refreshes(portcullis: Portcullis, { name, generator, atOnce }: About): Promise<Variant> {
  const { begin, ...target } = familiesOf(portcullisTarget(portcullis));
  const chains = [];
  for (let worker = 0; worker < atOnce; worker++) chains.push(await begin());
  const key = `refresh with ${name}`;
  await generator.set(key, 'refreshes', { ...target, chains });
  return { ...loadVariant(generator, { name: key, atOnce, servers: [portcullis.pids.authorizationServer] }), name };
}

async function calls(portcullis: Portcullis, { name, generator, atOnce }: About): Promise<Variant> {
  const { mcpUrl: resource, mcpPort: port, pids } = portcullis;
  const target = portcullisTarget(portcullis);
  const { access: given } = await signInToNewClient(target, createPerson(target.person));
  const key = `call with ${name}`;
  const called = { port, resource, tool: 'whoami', revision: '2025-11-25' } as const;
  await generator.set(key, 'mcp-calls', { ...called, tokens: { given } });
  const servers = [pids.mcpServer, pids.authorizationServer];
  return { ...loadVariant(generator, { name: key, atOnce, servers }), name };
}
