import type { BenchmarkCase, Goal } from '../benchmark-case.ts';
import { type ChildProgram, startProgram } from '../child-program.ts';
import { chartOf, tableOf } from '../comparison.ts';
import { type Measured, measureInterleaved } from '../interleaved.ts';
import { type LoadGenerator, loadVariant } from '../load-generator.ts';
import type { Subject } from '../peers/subject.ts';
import { ON_POSTGRESQL, ON_SQLITE } from '../peers/subjects.ts';
import type { NoOpReady, NoOpSettings } from '../processes/no-op-settings.ts';
import type { SignInTarget } from '../scenarios/journey.ts';

const AT_ONCE = 4;
/** Journeys until V8 has compiled what they go through. */
const WARM_UP = 300;
const BARE = 'oidc-provider, bare, in memory';
const BETTER_AUTH = 'better-auth, PostgreSQL';

/** From a client that nobody knows to its first call of a tool, by somebody who is signed in or who has to be. */
export const journey: BenchmarkCase = {
  name: 'journey',
  async run({ quick, servers, rounds = quick ? 1 : 15, size: steps = quick ? 2 : 40 }) {
    await using started = new AsyncDisposableStack();
    const subjects = started.adopt(await servers.subjects(), (all) => all.stop());
    const generator = started.adopt(await servers.loadGenerator(), (one) => one.stop());
    const open = subjects.all.flatMap((subject) => withTarget(subject) ?? []);
    const protectedServers = await Promise.all(
      open.map(async (subject) => {
        const settings = protectionOf(subject);
        if (settings === undefined) return undefined;
        const starting = await startProgram<NoOpReady>('no-op-server', settings);
        return started.adopt(starting, (one) => one.stop());
      }),
    );
    const measured: Measured[][] = [];
    for (const signsInEachTime of [false, true]) {
      const variants = await Promise.all(
        open.map((subject, index) =>
          variantOf(subject, { generator, server: protectedServers[index], signsInEachTime }),
        ),
      );
      measured.push(await measureInterleaved(variants, { rounds, steps, warmUp: quick ? 1 : WARM_UP }));
    }
    const [known = [], signingIn = []] = measured;
    return {
      name: journey.name,
      tables: [
        tableOf('Register, authorize, consent, code, token, first tools/call; signed in before', known, BARE),
        tableOf('The same with a password each time', signingIn, BARE),
      ],
      charts: [
        chartOf('Journeys of somebody who is signed in', known),
        chartOf('Journeys with a password each time', signingIn),
      ],
      goals: [ON_SQLITE, ON_POSTGRESQL].flatMap((name) => goalsOf(known, name)),
      notes: [
        `${rounds} rounds after ${WARM_UP} journeys to warm up, ${steps} each, ${AT_ONCE} at once; servers in turn, medians.`,
        'Passwords: Portcullis hashes with argon2id (19 MiB, 2 passes, 1 lane), better-auth with its scrypt (N 16384, r 16, p 1). Bare oidc-provider and the router of the SDK ask for none, and show no pages.',
        'CPU is that of the authorization server and of the MCP server that is called, without a database. The first call goes to a tool that does nothing: behind the guard with Portcullis, behind requireBearerAuth with jose with the others, and is left out with the router of the SDK, whose tokens are opaque.',
        ...subjects.leftOut,
      ],
    };
  },
};

type Open = Subject & { target: SignInTarget };

/** One that somebody can sign in to, from the first request on. */
function withTarget({ target, ...subject }: Subject): Open | undefined {
  return target && { ...subject, target };
}

/** What a team would put in front of its MCP server with this authorization server. */
function protectionOf({ jwksUri, target, introspection, name }: Open): NoOpSettings | undefined {
  if (jwksUri === undefined) return undefined;
  const client = introspection?.client ?? { clientId: '', clientSecret: '' };
  const about = { issuer: target.person.issuer, resource: target.resource, scopes: ['desk:read'], client };
  const isOurs = name === ON_SQLITE || name === ON_POSTGRESQL;
  return { protection: isOurs ? 'guard' : 'requireBearerAuth with jose', ...about };
}

type About = {
  generator: LoadGenerator;
  server: ChildProgram<NoOpReady> | undefined;
  signsInEachTime: boolean;
};

async function variantOf({ name, servers, target }: Open, { generator, server, signsInEachTime }: About) {
  const { resource } = target;
  const calls = server && { port: server.ready.port, resource, tool: 'nothing', revision: '2025-11-25' as const };
  const key = `${name}, ${signsInEachTime}`;
  await generator.set(key, 'journeys', { ...target, calls, signsInEachTime });
  const pids = [...servers, ...(server ? [server.pid] : [])];
  return { ...loadVariant(generator, { name: key, atOnce: AT_ONCE, servers: pids }), name };
}

function goalsOf(measured: readonly Measured[], name: string): Goal[] {
  const ratio = measured.find((one) => one.name === name)?.ratioTo(BETTER_AUTH);
  const goal = { sense: 'at least', wanted: 1 } as const;
  return [
    {
      what: `journey: ${name}, of ${BETTER_AUTH}, per second`,
      ...goal,
      measured: ratio?.perSecond.median ?? Number.NaN,
    },
    { what: `journey: ${name}, of ${BETTER_AUTH}, by CPU`, ...goal, measured: ratio?.cpu.median ?? Number.NaN },
  ];
}
