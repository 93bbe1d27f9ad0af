import argon2 from 'argon2';
import type { BenchmarkCase, Goal } from '../benchmark-case.ts';
import { chartOf, tableOf } from '../comparison.ts';
import { type Measured, measureInterleaved, type Variant } from '../interleaved.ts';
import { loadVariant } from '../load-generator.ts';
import { ownWork } from '../own-work.ts';
import { PERSON } from '../peers/portcullis.ts';
import { ON_POSTGRESQL, ON_SQLITE } from '../peers/subjects.ts';
import type { Spread } from '../statistics.ts';

/** As many threads as Node.js hashes with; those of a server are its own. */
const AT_ONCE = 4;
const BETTER_AUTH = 'better-auth, PostgreSQL';
const HASH_ALONE = 'argon2id alone, in one process';

/** The step at which somebody's password is checked and their session begins, without what comes before and after it. */
export const login: BenchmarkCase = {
  name: 'login',
  async run({ quick, servers, rounds = quick ? 1 : 20, size: steps = quick ? 2 : 40 }) {
    await using started = new AsyncDisposableStack();
    const subjects = started.adopt(await servers.subjects(), (all) => all.stop());
    const generator = started.adopt(await servers.loadGenerator(), (one) => one.stop());
    const variants: Variant[] = [];
    for (const { name, servers: pids, target } of subjects.all) {
      if (target === undefined || target.person.kind === 'redirects') continue;
      await generator.set(name, 'sign-ins', target.person);
      variants.push(loadVariant(generator, { name, atOnce: AT_ONCE, servers: pids }));
    }
    const hashes = subjects.all.flatMap(({ passwordHash }) => passwordHash ?? []);
    const [hash = ''] = hashes;
    const operate = async () => {
      if (!(await argon2.verify(hash, PERSON.password))) throw new Error('the password is not that of the hash');
    };
    const alone = ownWork(HASH_ALONE, { atOnce: AT_ONCE, operate });
    const measured = await measureInterleaved([...variants, alone], { rounds, steps, warmUp: steps });
    return {
      name: login.name,
      tables: [tableOf('A password checked and a session begun', measured, HASH_ALONE)],
      charts: [chartOf('Sign-ins with a password', measured)],
      goals: [ON_SQLITE, ON_POSTGRESQL].flatMap((name) => goalsOf(measured, name)),
      notes: [
        `${rounds} rounds after warming up, ${steps} sign-ins each, ${AT_ONCE} at once; servers in turn, medians. Each comes from a browser that the server has not seen, whose page was opened before.`,
        `Portcullis stores passwords as ${[...new Set(hashes.map(parametersOf))].join(' and ')}, as read from its database; better-auth hashes with its scrypt (N 16384, r 16, p 1).`,
        `${HASH_ALONE}: the stored hash compared with the password and nothing else, which no server can beat.`,
        'CPU is that of the server without its database.',
        ...subjects.leftOut,
      ],
    };
  },
};

/** Algorithm, version and costs of a hash in PHC string form. */
function parametersOf(hash: string): string {
  return hash.split('$').slice(1, 4).join(' ');
}

function goalsOf(measured: readonly Measured[], name: string): Goal[] {
  const ratio = measured.find((one) => one.name === name)?.ratioTo(BETTER_AUTH);
  const goal = { sense: 'at least', wanted: 1 } as const;
  return [
    { what: `sign-ins: ${name}, of ${BETTER_AUTH}, per second`, ...goal, measured: medianOf(ratio?.perSecond) },
    { what: `sign-ins: ${name}, of ${BETTER_AUTH}, by CPU`, ...goal, measured: medianOf(ratio?.cpu) },
  ];
}

const medianOf = (spread: Spread | undefined) => spread?.median ?? Number.NaN;
