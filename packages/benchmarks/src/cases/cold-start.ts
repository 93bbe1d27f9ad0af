import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startPostgresql } from '@portcullis/test-database';
import { findFreePort, startServerProcess } from '@portcullis/testkit';
import type { BenchmarkCase, Goal } from '../benchmark-case.ts';
import { withRange } from '../comparison.ts';
import { startPortcullis } from '../peers/portcullis.ts';
import { createDatabase } from '../peers/subjects.ts';
import { usageOf } from '../process-usage.ts';
import { type Spread, spreadOf } from '../statistics.ts';

const program = (app: string) => new URL(`../../../../apps/${app}/dist/main.js`, import.meta.url);
const SERVERS = [
  { name: 'authorization server', program: program('authorization-server'), port: 'PORTCULLIS_PORT' },
  { name: 'MCP server', program: program('mcp-server'), port: 'PORTCULLIS_MCP_PORT' },
] as const;
/** After this long a server that nobody asks anything is idle. */
const IDLE_MS = 5000;
const LOOK_MS = 5;

/** From the start of a process to the first 200 of `/readyz`, on databases that are there, and the memory of it when idle. */
export const coldStart: BenchmarkCase = {
  name: 'cold-start',
  async run({ quick, rounds = quick ? 1 : 9 }) {
    await using started = new AsyncDisposableStack();
    const folder = started.adopt(await mkdtemp(join(tmpdir(), 'portcullis-benchmark-')), (path) =>
      rm(path, { recursive: true, force: true }),
    );
    const cluster = quick ? undefined : started.adopt(await startPostgresql(), (one) => one.stop());
    const places: Place[] = [{ name: 'SQLite', env: { PORTCULLIS_DATA_DIR: join(folder, 'sqlite') } }];
    if (cluster !== undefined)
      places.push({
        name: 'PostgreSQL',
        env: {
          PORTCULLIS_DATA_DIR: join(folder, 'postgresql'),
          DATABASE_URL: await createDatabase(cluster.url, 'authorization_server'),
          PORTCULLIS_MCP_DATABASE_URL: await createDatabase(cluster.url, 'mcp_server'),
        },
      });
    const figures = SERVERS.flatMap((server) =>
      places.map((place) => ({ name: `${server.name}, ${place.name}`, server, place, starts: [] as Start[] })),
    );
    // An MCP server is ready once it has the keys of its issuer.
    const issuer = started.adopt(await startPortcullis(), (one) => one.stop());
    for (const { env } of places) env.PORTCULLIS_ISSUER = issuer.issuer;
    for (const { server, place } of figures) await startOnce(server, place);
    for (let round = 0; round < rounds; round++)
      for (const { server, place, starts } of figures) starts.push(await startOnce(server, place));
    const measured = figures.map(({ name, starts }) => ({
      name,
      ready: spreadOf(starts.map(({ seconds }) => seconds)),
      cpu: spreadOf(starts.map(({ cpuSeconds }) => cpuSeconds)),
      idle: spreadOf(starts.map(({ megabytes }) => megabytes)),
    }));
    return {
      name: coldStart.name,
      tables: [
        {
          title: 'Starting, and resting',
          columns: ['server', 'ready after, s', 'processor time until then, s', 'MB in memory when idle'],
          lines: measured.map(({ name, ready, cpu, idle }) => [
            name,
            withRange(ready, 2),
            withRange(cpu, 2),
            withRange(idle, 0),
          ]),
        },
      ],
      charts: [
        { title: 'Ready after', unit: 's', bars: measured.map(({ name, ready }) => ({ name, ...ready })) },
        { title: 'Memory when idle', unit: 'MB', bars: measured.map(({ name, idle }) => ({ name, ...idle })) },
      ],
      goals: measured.flatMap(goalsOf),
      notes: [
        `${rounds} starts each, one process at a time, after one that makes the database; idle is ${IDLE_MS / 1000} s after it was ready.`,
      ],
    };
  },
};

type Place = { name: string; env: Record<string, string> };
type Start = { seconds: number; cpuSeconds: number; megabytes: number };

async function startOnce({ program, port }: (typeof SERVERS)[number], { env }: Place): Promise<Start> {
  const free = await findFreePort();
  const startedAt = performance.now();
  const server = startServerProcess(program, { ...env, [port]: String(free), LOG_LEVEL: 'info' });
  try {
    while (!(await isReady(free))) {
      if (performance.now() - startedAt > 60_000) throw new Error(`it was never ready: ${server.stderr()}`);
      await pause(LOOK_MS);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const { cpuSeconds } = usageOf(server.pid);
    await pause(IDLE_MS);
    return { seconds, cpuSeconds, megabytes: usageOf(server.pid).residentBytes / 2 ** 20 };
  } finally {
    await server.stop();
  }
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://localhost:${port}/readyz`).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

function goalsOf({ name, ready, idle }: { name: string; ready: Spread; idle: Spread }): Goal[] {
  const goal = (what: string, wanted: number, { median }: Spread): Goal => ({
    what: `${what}: ${name}`,
    sense: 'at most',
    wanted,
    measured: median,
  });
  const memory = name.startsWith('authorization') ? [goal('MB in memory when idle', 130, idle)] : [];
  return [goal('seconds until it is ready', 1.5, ready), ...memory];
}
