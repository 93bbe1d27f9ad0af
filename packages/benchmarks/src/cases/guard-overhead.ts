import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { BenchmarkCase, CaseResult } from '../benchmark-case.ts';
import { type Measured, measureInterleaved, type Throughput, type Variant } from '../interleaved.ts';
import { startIssuer } from '../issuer.ts';
import type { Credentials, Load } from '../processes/load.ts';
import type { Spread } from '../statistics.ts';

const RESOURCE = 'http://localhost:4999/mcp';
const AT_ONCE = 16;
const GOAL = 0.95;

const GUARDED: readonly Credentials[] = ['one token', '1,000 tokens in turn', 'every token new', 'one token with DPoP'];

/**
 * What the guard costs a `tools/call` that does nothing, on version 2 of the MCP SDK, with the revocation feed connected
 * and neither limits nor audit. The load comes from a process of its own; everything that it signs is signed before.
 */
export const guardOverhead: BenchmarkCase = {
  name: 'guard-overhead',
  async run({ rounds = 15, size: requests = 2000 }): Promise<CaseResult> {
    const issuer = await startIssuer();
    const server = fork(new URL('../processes/no-op-server.js', import.meta.url), [issuer.url, RESOURCE]);
    const [ports] = (await once(server, 'message')) as [{ plain: number; guarded: number }];
    const load = [issuer.url, RESOURCE, JSON.stringify(issuer.privateJwk)];
    const generator = fork(new URL('../processes/load-generator.js', import.meta.url), load);
    await once(generator, 'message');
    try {
      const variant = (name: string, load: Pick<Load, 'port' | 'credentials'>): Variant => ({
        name,
        run: () => measure({ server, generator }, { ...load, requests, atOnce: AT_ONCE }),
      });
      const variants = [
        variant('without the guard', { port: ports.plain, credentials: 'none' }),
        ...GUARDED.map((credentials) => variant(credentials, { port: ports.guarded, credentials })),
      ];
      const measured = await measureInterleaved(variants, rounds);
      const { feed } = await stateOf(server);
      return describe(measured, { rounds, requests, feed: JSON.stringify(feed) });
    } finally {
      generator.disconnect();
      server.disconnect();
      issuer.close();
    }
  },
};

async function stateOf(server: ChildProcess): Promise<{ cpuSeconds: number; feed: unknown }> {
  server.send('state');
  const [state] = (await once(server, 'message')) as [{ cpuSeconds: number; feed: unknown }];
  return state;
}

type Processes = { server: ChildProcess; generator: ChildProcess };

async function measure({ server, generator }: Processes, load: Load): Promise<Throughput> {
  const before = await stateOf(server);
  const perSecond = await send(generator, load);
  const after = await stateOf(server);
  return { perSecond, perCpuSecond: load.requests / (after.cpuSeconds - before.cpuSeconds) };
}

async function send(generator: ChildProcess, load: Load): Promise<number> {
  generator.send(load);
  const [answer] = (await once(generator, 'message')) as [{ perSecond: number } | { fault: string }];
  if ('fault' in answer) throw new Error(`a request with ${load.credentials} failed: ${answer.fault}`);
  return answer.perSecond;
}

function describe(
  measured: readonly Measured[],
  { rounds, requests, feed }: { rounds: number; requests: number; feed: string },
): CaseResult {
  return {
    name: guardOverhead.name,
    tables: [
      {
        title: 'tools/call of a tool that does nothing',
        columns: ['variant', 'requests/s', 'middle half', 'ratio', 'middle half', 'by CPU', 'middle half', 'goal'],
        lines: measured.map(({ name, perSecond, ratio, cpuRatio }, index) => [
          name,
          perSecond.median.toFixed(0),
          between(perSecond, 0),
          ratio.median.toFixed(3),
          between(ratio, 3),
          cpuRatio.median.toFixed(3),
          between(cpuRatio, 3),
          index === 1 ? `>= ${GOAL}` : '',
        ]),
      },
    ],
    notes: [
      `${rounds} rounds after one to warm up, ${requests} requests each, ${AT_ONCE} at once; variants in turn, medians.`,
      'By CPU: requests for each second of the server’s processor time, against those without the guard.',
      `The guard's feed at the end: ${feed}`,
    ],
  };
}

function between({ lower, upper }: Spread, digits: number): string {
  return `${lower.toFixed(digits)} – ${upper.toFixed(digits)}`;
}
