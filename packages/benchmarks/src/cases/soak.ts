import { setTimeout as pause } from 'node:timers/promises';
import { startPostgresql } from '@portcullis/test-database';
import type { BenchmarkCase, Goal, LineChart } from '../benchmark-case.ts';
import { type LoadGenerator, startLoadGenerator } from '../load-generator.ts';
import { type Portcullis, startPortcullis } from '../peers/portcullis.ts';
import { portcullisTarget } from '../peers/portcullis-subject.ts';
import { createDatabase } from '../peers/subjects.ts';
import { usageOf } from '../process-usage.ts';
import { type SignedIn, signInToNewClient } from '../scenarios/journey.ts';
import { createPerson } from '../scenarios/person.ts';
import { slopeOf } from '../statistics.ts';

const AT_ONCE = 8;
/** Of each kind in a turn. One network may begin 3,000 authorizations in ten minutes: more journeys would come to that. */
const STEPS = { journeys: 1, refreshes: 80, introspections: 40, 'mcp-calls': 120 } as const;
/** How long servers are left alone before what they keep is looked at, in seconds: a minute is what they call a long rest. */
const REST_SECONDS = 75;
/** What is looked at for growth: the last three quarters, which are 15 of 20 minutes. */
const SETTLED = 0.25;

type Kind = keyof typeof STEPS;
type Moment = { minutes: number; authorizationServer: number; mcpServer: number };

/** Mixed work without a pause, while the memory of both servers is looked at: on SQLite and PostgreSQL at the same time. */
export const soak: BenchmarkCase = {
  name: 'soak',
  async run({ quick, size: minutes = quick ? 0.1 : 20 }) {
    const restSeconds = quick ? 1 : REST_SECONDS;
    await using started = new AsyncDisposableStack();
    const cluster = started.adopt(await startPostgresql(), (one) => one.stop());
    const databases = {
      authorizationServer: await createDatabase(cluster.url, 'soak'),
      mcpServer: await createDatabase(cluster.url, 'soak_desk'),
    };
    const runs = await Promise.all([
      soaked('SQLite', await startPortcullis(), { minutes, restSeconds }),
      soaked('PostgreSQL', await startPortcullis(databases), { minutes, restSeconds }),
    ]);
    return {
      name: soak.name,
      tables: [
        {
          title: 'Resident memory, MB',
          columns: [
            ...['servers', 'at the beginning', 'at the end', `after ${restSeconds} s of rest`],
            ...['growth a minute, last three quarters', 'requests'],
          ],
          lines: runs.flatMap(({ name, moments, rested, done }) =>
            SERVERS.map((server) => [
              `${server} on ${name}`,
              ...[moments[0]?.[server], moments.at(-1)?.[server], rested[server], growthOf(moments, server)].map(
                (value) => value?.toFixed(2) ?? '',
              ),
              done,
            ]),
          ),
        },
      ],
      courses: runs.map(courseOf),
      goals: runs.flatMap(goalsOf),
      notes: [
        `${minutes} minutes on both databases at the same time; ${AT_ONCE} at once on each; in each turn ${Object.entries(
          STEPS,
        )
          .map(([kind, steps]) => `${steps} ${kind}`)
          .join(', ')}. An answer that is not the expected one ends the run.`,
      ],
    };
  },
};

const SERVERS = ['authorizationServer', 'mcpServer'] as const;
type Run = { name: string; moments: readonly Moment[]; rested: Moment; done: number };

async function soaked(
  name: string,
  portcullis: Portcullis,
  { minutes, restSeconds }: { minutes: number; restSeconds: number },
): Promise<Run> {
  const generator = await startLoadGenerator();
  try {
    await prepare(portcullis, generator);
    const beginning = performance.now();
    const minutesNow = () => (performance.now() - beginning) / 60_000;
    const moments = [momentOf(portcullis, 0)];
    let done = 0;
    while (minutesNow() < minutes) {
      for (const kind of Object.keys(STEPS) as Kind[]) {
        await generator.run(kind, { steps: STEPS[kind], atOnce: AT_ONCE }, []);
        done += STEPS[kind];
      }
      moments.push(momentOf(portcullis, minutesNow()));
      if (moments.length % 20 === 0)
        process.stderr.write(`  ${name}: ${minutesNow().toFixed(1)} min, ${done} requests\n`);
    }
    await pause(restSeconds * 1000);
    return { name, moments, rested: momentOf(portcullis, minutesNow()), done };
  } finally {
    await generator.stop();
    await portcullis.stop();
  }
}

async function prepare(portcullis: Portcullis, generator: LoadGenerator): Promise<void> {
  const target = portcullisTarget(portcullis);
  const person = createPerson(target.person);
  const signedIn: SignedIn[] = [];
  for (let nth = 0; nth <= AT_ONCE; nth++) signedIn.push(await signInToNewClient(target, person));
  const [first, ...others] = signedIn;
  const token = first?.access ?? '';
  const chains = others.map(({ clientId, refresh: refreshToken }) => ({ clientId, refreshToken }));
  const { issuer, mcpUrl: resource, mcpPort: port, resourceServer: client } = portcullis;
  await generator.set('refreshes', 'refreshes', { tokenEndpoint: target.tokenEndpoint, resource, chains });
  await generator.set('introspections', 'introspections', { endpoint: `${issuer}/introspect`, client, token });
  const calls = { port, resource, tool: undefined, revision: '2025-11-25' } as const;
  await generator.set('mcp-calls', 'mcp-calls', { ...calls, tokens: { given: token } });
  await generator.set('journeys', 'journeys', { ...target, calls, signsInEachTime: true });
}

function momentOf({ pids }: Portcullis, minutes: number): Moment {
  const megabytes = (pid: number) => usageOf(pid).residentBytes / 2 ** 20;
  return {
    minutes,
    authorizationServer: megabytes(pids.authorizationServer),
    mcpServer: megabytes(pids.mcpServer),
  };
}

/** MB a minute, of the straight line through what came after the first quarter. */
function growthOf(moments: readonly Moment[], server: (typeof SERVERS)[number]): number {
  const end = moments.at(-1)?.minutes ?? 0;
  const settled = moments.filter(({ minutes }) => minutes >= end * SETTLED);
  return slopeOf(settled.map((moment) => [moment.minutes, moment[server]]));
}

function courseOf({ name, moments }: Run): LineChart {
  return {
    title: `Memory under mixed load, ${name}`,
    unit: 'MB',
    time: 'minutes',
    lines: SERVERS.map((server) => ({
      name: server === 'mcpServer' ? 'MCP server' : 'authorization server',
      points: moments.map((moment) => [moment.minutes, moment[server]]),
    })),
  };
}

function goalsOf({ name, moments, rested }: Run): Goal[] {
  return [
    ...SERVERS.map((server) => ({
      what: `growth of ${server} on ${name}, MB a minute`,
      sense: 'at most' as const,
      wanted: 1,
      measured: growthOf(moments, server),
    })),
    {
      what: `MB of the authorization server on ${name} after it, at rest`,
      sense: 'at most',
      wanted: 250,
      measured: rested.authorizationServer,
    },
  ];
}
