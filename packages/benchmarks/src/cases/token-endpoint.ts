import type { BenchmarkCase, Goal } from '../benchmark-case.ts';
import { chartOf, tableOf } from '../comparison.ts';
import { type Measured, measureInterleaved, type Variant } from '../interleaved.ts';
import { type LoadGenerator, loadVariant } from '../load-generator.ts';
import type { Subject } from '../peers/subject.ts';
import { ON_POSTGRESQL, ON_SQLITE } from '../peers/subjects.ts';
import { usageOf } from '../process-usage.ts';
import type { ScenarioName, ScenarioSettings } from '../scenarios/load.ts';

const BARE = 'oidc-provider, bare, in memory';
const BETTER_AUTH = 'better-auth, PostgreSQL';

/** Until V8 has compiled what a request goes through: after so many no server here becomes faster. */
const WARM_UP = 2000;

/** What servers are asked for by clients that have signed in before, or that nobody signs in to. */
export const tokenEndpoint: BenchmarkCase = {
  name: 'token-endpoint',
  async run({ quick, servers, rounds = quick ? 1 : 20, size: steps = quick ? 4 : 200 }) {
    await using started = new AsyncDisposableStack();
    const subjects = started.adopt(await servers.subjects(), (all) => all.stop());
    const generator = started.adopt(await servers.loadGenerator(), (one) => one.stop());
    const before = subjects.all.map(residentMegabytes);
    const effort = { rounds, steps, warmUp: quick ? 4 : WARM_UP };
    const load = { generator, atOnce: quick ? 4 : 16 };
    const titles = [
      'Refresh with rotation',
      'Client credentials, a secret',
      'Client credentials, private_key_jwt',
      'Introspection',
    ];
    const measured: Measured[][] = [];
    for (const [index, variantOf] of [refreshing, withSecret, withKey, introspecting].entries()) {
      process.stderr.write(`  ${titles[index]}\n`);
      const variants = await Promise.all(subjects.all.map((subject) => variantOf(subject, load)));
      measured.push(
        await measureInterleaved(
          variants.flatMap((one) => one ?? []),
          effort,
        ),
      );
    }
    return {
      name: tokenEndpoint.name,
      tables: [
        ...measured.map((of, index) => tableOf(titles[index] ?? '', of, BARE)),
        {
          title: 'Resident memory of the authorization server, MB',
          columns: ['server', 'before all of this', 'after it'],
          lines: subjects.all.map((subject, index) => [
            subject.name,
            (before[index] ?? Number.NaN).toFixed(0),
            residentMegabytes(subject).toFixed(0),
          ]),
        },
      ],
      charts: measured.map((of, index) => chartOf(titles[index] ?? '', of)),
      goals: goalsOf(measured),
      notes: [
        `${rounds} rounds after ${effort.warmUp} requests to warm up, ${steps} requests each, ${load.atOnce} at once; servers in turn, medians.`,
        'CPU is that of the server without its database. PostgreSQL is one server for all, and writes through to disk.',
        'Bare oidc-provider asks about opaque tokens: it has no introspection of JWTs.',
        'Glewlwyd has SQLite as it opens it; its refreshing client shows a secret, where those of the others are public ones, and its private_key_jwt is left out.',
        ...subjects.leftOut,
      ],
    };
  },
};

function residentMegabytes({ servers }: Subject): number {
  return servers.reduce((sum, pid) => sum + usageOf(pid).residentBytes, 0) / 2 ** 20;
}

type Load = { generator: LoadGenerator; atOnce: number };
type VariantOf = (subject: Subject, load: Load) => Promise<Variant | undefined>;

async function variant<Name extends ScenarioName>(
  { name, servers }: Subject,
  { generator, atOnce }: Load,
  { scenario, settings }: { scenario: Name; settings: ScenarioSettings[Name] },
): Promise<Variant> {
  const key = `${name}, ${scenario} ${JSON.stringify(settings).length}`;
  await generator.set(key, scenario, settings);
  return { ...loadVariant(generator, { name: key, atOnce, servers }), name };
}

const refreshing: VariantOf = async (subject, load) => {
  const { begin, ...target } = subject.refreshing;
  const chains = [];
  for (let worker = 0; worker < load.atOnce; worker++) chains.push(await begin());
  return variant(subject, load, { scenario: 'refreshes', settings: { ...target, chains } });
};

const withSecret: VariantOf = async (subject, load) => {
  if (subject.machines === undefined) return undefined;
  return variant(subject, load, { scenario: 'client-credentials', settings: subject.machines.secret });
};

const withKey: VariantOf = async (subject, load) => {
  if (subject.machines?.key === undefined) return undefined;
  return variant(subject, load, { scenario: 'client-credentials', settings: subject.machines.key });
};

const introspecting: VariantOf = async (subject, load) => {
  if (subject.introspection === undefined) return undefined;
  const settings = { ...subject.introspection, token: await subject.introspectedToken() };
  return variant(subject, load, { scenario: 'introspections', settings });
};

function goalsOf([refresh = [], secret = [], key = []]: readonly Measured[][]): Goal[] {
  const goal = (
    what: string,
    { of, name, to, wanted }: { of: Measured[]; name: string; to: string; wanted: number },
  ): Goal[] => {
    const ratio = of.find((one) => one.name === name)?.ratioTo(to);
    const about = { sense: 'at least', wanted } as const;
    return [
      { what: `${what}: ${name}, of ${to}, requests/s`, ...about, measured: ratio?.perSecond.median ?? Number.NaN },
      { what: `${what}: ${name}, of ${to}, by CPU`, ...about, measured: ratio?.cpu.median ?? Number.NaN },
    ];
  };
  return [
    ...goal('refresh', { of: refresh, name: ON_SQLITE, to: BARE, wanted: 0.5 }),
    ...goal('refresh', { of: refresh, name: ON_POSTGRESQL, to: BARE, wanted: 0.5 }),
    ...goal('refresh', { of: refresh, name: ON_POSTGRESQL, to: BETTER_AUTH, wanted: 1.5 }),
    ...[ON_SQLITE, ON_POSTGRESQL].flatMap((name) => [
      ...goal('client credentials, a secret', { of: secret, name, to: BARE, wanted: 0.7 }),
      ...goal('client credentials, private_key_jwt', { of: key, name, to: BARE, wanted: 0.7 }),
    ]),
  ];
}
