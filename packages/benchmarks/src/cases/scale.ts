import { clean, openDatabase } from '@portcullis/persistence';
import { startPostgresql } from '@portcullis/test-database';
import pg from 'pg';
import type { BenchmarkCase, Goal, ResultTable } from '../benchmark-case.ts';
import { chartOf, tableOf } from '../comparison.ts';
import { type Measured, measureInterleaved, type Variant } from '../interleaved.ts';
import { type LoadGenerator, loadVariant, startLoadGenerator } from '../load-generator.ts';
import { type Portcullis, startPortcullis } from '../peers/portcullis.ts';
import { portcullisTarget } from '../peers/portcullis-subject.ts';
import { createDatabase } from '../peers/subjects.ts';
import { cpuSecondsOf } from '../process-usage.ts';
import { type SignedIn, signInToNewClient } from '../scenarios/journey.ts';
import { createPerson } from '../scenarios/person.ts';

const AT_ONCE = 8;
const GROWING_TABLES = ['Grant', 'RefreshToken', 'User'] as const;

/** What refreshing, introspection and cleaning cost as the tables grow, and with a second replica. */
export const scale: BenchmarkCase = {
  name: 'scale',
  async run({ quick, rounds = quick ? 1 : 15, size: most = quick ? 400 : 1_000_000 }) {
    await using started = new AsyncDisposableStack();
    const cluster = started.adopt(await startPostgresql(), (one) => one.stop());
    const generators = [
      started.adopt(await startLoadGenerator(), (one) => one.stop()),
      started.adopt(await startLoadGenerator(), (one) => one.stop()),
    ] as const;
    const sites: Site[] = [];
    for (const grants of [most / 100, most / 10, most].map(Math.ceil)) {
      process.stderr.write(`  ${grants} grants\n`);
      const databases = {
        authorizationServer: await createDatabase(cluster.url, `scale_${grants}`),
        mcpServer: await createDatabase(cluster.url, `scale_desk_${grants}`),
      };
      const portcullis = started.adopt(await startPortcullis(databases), (one) => one.stop());
      await fill(portcullis.databaseUrl, grants);
      sites.push({ name: `${grants.toLocaleString('en')} grants`, grants, portcullis });
    }
    const [smallest] = sites;
    if (smallest === undefined) throw new Error('there is nothing to measure');
    const effort = { rounds, steps: quick ? 8 : 160, warmUp: quick ? 8 : 320 };
    const before = await Promise.all(sites.map(({ portcullis }) => scansOf(portcullis.databaseUrl)));
    const refreshing = await measureInterleaved(
      await Promise.all(sites.map((site) => refreshVariant(site, generators[0]))),
      effort,
    );
    const introspecting = await measureInterleaved(
      await Promise.all(sites.map((site) => introspectVariant(site, generators[0]))),
      effort,
    );
    const after = await Promise.all(sites.map(({ portcullis }) => scansOf(portcullis.databaseUrl)));
    // Until a replica that was just started has had 2,000 requests, V8 still compiles what they go through.
    const warm = quick ? effort : { ...effort, steps: 400, warmUp: 4000 };
    const replicas = await measureReplicas(smallest, generators, warm);
    const tables = [
      tableOf('Refresh with rotation, PostgreSQL', refreshing, smallest.name),
      tableOf('Introspection, PostgreSQL', introspecting, smallest.name),
      await sizesOf(sites),
      scansTable(sites, before, after),
      await cleaningOf(sites),
      tableOf(`Refresh with rotation on one database of PostgreSQL, ${smallest.name}`, replicas, ONE_REPLICA),
    ];
    return {
      name: scale.name,
      tables,
      charts: [chartOf('Refresh with rotation as grants grow', refreshing)],
      goals: goalsOf({ refreshing, replicas, smallest }),
      notes: [
        `${rounds} rounds after warming up, ${effort.steps} requests each, ${AT_ONCE} at once; medians.`,
        'Each grant has two refresh tokens, one of them rotated; ten grants belong to one user.',
        'Time for a refresh is the median of p50; the database is on the same machine, and writes through to disk.',
      ],
    };
  },
};

/** A Portcullis whose tables hold so much. */
type Site = { name: string; grants: number; portcullis: Portcullis };

const ONE_REPLICA = 'one replica';
const TWO_REPLICAS = 'two replicas';

async function refreshVariant({ name, portcullis }: Site, generator: LoadGenerator): Promise<Variant> {
  const chains = await signIn(portcullis, AT_ONCE);
  await generator.set(name, 'refreshes', settingsFor(portcullis, chains));
  return loadVariant(generator, { name, atOnce: AT_ONCE, servers: [portcullis.pids.authorizationServer] });
}

async function introspectVariant({ name, portcullis }: Site, generator: LoadGenerator): Promise<Variant> {
  const [signedIn] = await signIn(portcullis, 1);
  const key = `introspect at ${name}`;
  await generator.set(key, 'introspections', {
    endpoint: `${portcullis.issuer}/introspect`,
    client: portcullis.resourceServer,
    token: signedIn?.access ?? '',
  });
  return {
    ...loadVariant(generator, { name: key, atOnce: AT_ONCE, servers: [portcullis.pids.authorizationServer] }),
    name,
  };
}

async function signIn(portcullis: Portcullis, count: number): Promise<SignedIn[]> {
  const target = portcullisTarget(portcullis);
  const person = createPerson(target.person);
  const all: SignedIn[] = [];
  for (let nth = 0; nth < count; nth++) all.push(await signInToNewClient(target, person));
  return all;
}

function settingsFor({ issuer, mcpUrl: resource }: Portcullis, signedIn: readonly SignedIn[], port?: number) {
  const chains = signedIn.map(({ clientId, refresh: refreshToken }) => ({ clientId, refreshToken }));
  return { tokenEndpoint: `${issuer}/token`, resource, chains, ...(port !== undefined && { port }) };
}

/** Two load generators with half of the clients each, both at one replica or each at one of its own. */
async function measureReplicas(
  { portcullis }: Site,
  generators: readonly [LoadGenerator, LoadGenerator],
  effort: { rounds: number; steps: number; warmUp: number },
): Promise<Measured[]> {
  const replica = await portcullis.startReplica();
  try {
    const variants: Variant[] = [];
    for (const [name, port] of [
      [ONE_REPLICA, undefined],
      [TWO_REPLICAS, replica.port],
    ] as const) {
      const halves = [await signIn(portcullis, AT_ONCE), await signIn(portcullis, AT_ONCE)];
      await generators[0].set(name, 'refreshes', settingsFor(portcullis, halves[0] ?? []));
      await generators[1].set(name, 'refreshes', settingsFor(portcullis, halves[1] ?? [], port));
      const servers = [portcullis.pids.authorizationServer, ...(port === undefined ? [] : [replica.pid])];
      variants.push({ name, run: (steps) => together(generators, { name, steps, servers }) });
    }
    return await measureInterleaved(variants, effort);
  } finally {
    await replica.stop();
  }
}

async function together(
  generators: readonly LoadGenerator[],
  { name, steps, servers }: { name: string; steps: number; servers: readonly number[] },
) {
  const half = { steps: Math.ceil(steps / generators.length), atOnce: AT_ONCE };
  const before = { cpu: cpuSecondsOf(servers), time: performance.now() };
  const runs = await Promise.all(generators.map((generator) => generator.run(name, half, [])));
  const done = half.steps * generators.length;
  return {
    perSecond: done / ((performance.now() - before.time) / 1000),
    cpuMicroseconds: ((cpuSecondsOf(servers) - before.cpu) / done) * 1e6,
    latencyMs: {
      p50: Math.max(...runs.map(({ latencyMs }) => latencyMs.p50)),
      p99: Math.max(...runs.map(({ latencyMs }) => latencyMs.p99)),
    },
  };
}

/** Rows as refreshing leaves them; the database makes them up. */
async function fill(databaseUrl: string, grants: number): Promise<void> {
  await withConnection(databaseUrl, async (client) => {
    const hash = (what: string) => `translate(encode(sha256((${what} || n)::bytea), 'base64'), '+/=', '-_')`;
    const owner = `'user-' || (n / 10), 'client-' || (n % 500)`;
    const numbers = `FROM generate_series(1, ${Math.floor(grants)}) n`;
    await client.query(`INSERT INTO "User" ("id", "email", "createdAt", "updatedAt")
      SELECT 'user-' || n, 'user-' || n || '@example.com', now(), now() FROM generate_series(0, ${Math.ceil(grants / 10)}) n`);
    await client.query(`INSERT INTO "Grant" ("id", "userId", "clientId", "resources", "detail", "issuedAt", "expiresAt", "lastUsedAt")
      SELECT ${hash("'grant'")}, ${owner}, '{"http://localhost:4999/mcp":"desk:read"}', '{}', now(), now() + interval '90 days', now() ${numbers}`);
    for (const [kind, consumed] of [
      ['head', 'NULL'],
      ['rotated', 'now()'],
    ]) {
      await client.query(`INSERT INTO "RefreshToken" ("id", "grantId", "userId", "clientId", "scope", "resource", "rotations", "detail", "issuedAt", "firstIssuedAt", "expiresAt", "consumedAt")
        SELECT ${hash(`'${kind}'`)}, ${hash("'grant'")}, ${owner}, 'desk:read offline_access', '"http://localhost:4999/mcp"', 3,
          '{"gty":"authorization_code refresh_token","sessionUid":"' || ${hash("'session'")} || '"}', now(), now(), now() + interval '30 days', ${consumed} ${numbers}`);
    }
    await client.query('VACUUM ANALYZE');
  });
}

async function sizesOf(sites: readonly Site[]): Promise<ResultTable> {
  const lines: (string | number)[][] = [];
  for (const { name, portcullis } of sites) {
    await withConnection(portcullis.databaseUrl, async (client) => {
      for (const table of GROWING_TABLES) {
        const { rows } = await client.query(
          `SELECT pg_table_size($1::regclass) / 1048576.0 AS own, pg_indexes_size($1::regclass) / 1048576.0 AS indexes`,
          [`"${table}"`],
        );
        lines.push([name, table, Number(rows[0].own).toFixed(1), Number(rows[0].indexes).toFixed(1)]);
      }
    });
  }
  return { title: 'Sizes, MB', columns: ['database', 'table', 'table', 'its indexes'], lines };
}

/** How often each of the growing tables was read from its beginning to its end so far. */
async function scansOf(databaseUrl: string): Promise<Map<string, { whole: number; byIndex: number }>> {
  return await withConnection(databaseUrl, async (client) => {
    const { rows } = await client.query('SELECT relname, seq_scan, idx_scan FROM pg_stat_user_tables');
    return new Map(
      rows.map((row) => [row.relname, { whole: Number(row.seq_scan), byIndex: Number(row.idx_scan ?? 0) }]),
    );
  });
}

type Scans = Awaited<ReturnType<typeof scansOf>>;

function scansTable(sites: readonly Site[], before: readonly Scans[], after: readonly Scans[]): ResultTable {
  const grown = (site: number, table: string, kind: 'whole' | 'byIndex') =>
    (after[site]?.get(table)?.[kind] ?? 0) - (before[site]?.get(table)?.[kind] ?? 0);
  return {
    title: 'How the tables were read meanwhile',
    columns: ['database', 'table', 'by an index', 'as a whole'],
    lines: sites.flatMap(({ name }, site) =>
      GROWING_TABLES.map((table) => [name, table, grown(site, table, 'byIndex'), grown(site, table, 'whole')]),
    ),
  };
}

/** A hundredth of what there is has expired, and is removed. */
async function cleaningOf(sites: readonly Site[]): Promise<ResultTable> {
  const lines: (string | number)[][] = [];
  for (const { name, grants, portcullis } of sites) {
    const expired = Math.ceil(grants / 100);
    await withConnection(portcullis.databaseUrl, async (client) => {
      for (const table of ['Grant', 'RefreshToken'])
        await client.query(`UPDATE "${table}" SET "expiresAt" = now() - interval '1 day'
          WHERE "id" IN (SELECT "id" FROM "${table}" WHERE "userId" LIKE 'user-%' LIMIT ${expired})`);
    });
    const database = await openDatabase({ url: portcullis.databaseUrl });
    const startedAt = performance.now();
    await clean(database, new Date());
    lines.push([name, expired * 2, ((performance.now() - startedAt) / 1000).toFixed(2)]);
    await database.close();
  }
  return { title: 'Cleaning', columns: ['database', 'rows that have expired', 'seconds'], lines };
}

function goalsOf(o: { refreshing: readonly Measured[]; replicas: readonly Measured[]; smallest: Site }): Goal[] {
  const { refreshing, replicas, smallest } = o;
  const largest = refreshing.at(-1);
  const reference = refreshing.find(({ name }) => name === smallest.name);
  const two = replicas.find(({ name }) => name === TWO_REPLICAS);
  return [
    {
      what: `time for a refresh with ${largest?.name}, of that with ${smallest.name}`,
      sense: 'at most',
      wanted: 1.2,
      measured: (largest?.p50.median ?? Number.NaN) / (reference?.p50.median ?? Number.NaN),
    },
    {
      what: 'refreshes of two replicas, of those of one',
      sense: 'at least',
      wanted: 1,
      measured: two?.ratioTo(ONE_REPLICA).perSecond.median ?? Number.NaN,
    },
  ];
}

async function withConnection<Value>(url: string, use: (client: pg.Client) => Promise<Value>): Promise<Value> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
