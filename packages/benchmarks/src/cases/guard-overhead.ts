import type { BenchmarkCase, CaseResult } from '../benchmark-case.ts';
import { type ChildProgram, startProgram } from '../child-program.ts';
import { chartOf, tableOf } from '../comparison.ts';
import { type Measured, measureInterleaved, type Variant } from '../interleaved.ts';
import { type Issuer, startIssuer } from '../issuer.ts';
import { type LoadGenerator, loadVariant } from '../load-generator.ts';
import type { Portcullis } from '../peers/portcullis.ts';
import { portcullisTarget } from '../peers/portcullis-subject.ts';
import type { NoOpReady, NoOpSettings, Protection } from '../processes/no-op-settings.ts';
import { signInToNewClient } from '../scenarios/journey.ts';
import type { Credentials, McpCalls, Revision } from '../scenarios/mcp-call.ts';
import { createPerson } from '../scenarios/person.ts';

const RESOURCE = 'http://localhost:4999/mcp';
const CLIENT = { clientId: 'server', clientSecret: 'secret' };
const AT_ONCE = 16;

const UNGUARDED = 'no guard, adapter of the SDK';
const SAME_ADAPTER = 'no guard, adapter of the guard';
const ONE_TOKEN = 'guard, one token';
const INTROSPECTION = 'requireBearerAuth, introspection at each call';
const UNGUARDED_MODERN = 'no guard, adapter of the SDK, 2026-07-28';
const SAME_ADAPTER_MODERN = 'no guard, adapter of the guard, 2026-07-28';
const ONE_TOKEN_MODERN = 'guard, one token, 2026-07-28';
const UNGUARDED_LIST = 'tools/list: no guard, adapter of the SDK';
const SAME_ADAPTER_LIST = 'tools/list: no guard, adapter of the guard';
const ONE_TOKEN_LIST = 'tools/list: guard, one token';

/**
 * What the guard costs a `tools/call` that does nothing, and a `tools/list` of it, on version 2 of the MCP SDK, with the revocation feed connected
 * and neither limits nor audit; and what else such a call may be protected with. Each server is a process of its own, and
 * so is the load; everything that it signs is signed before.
 */
export const guardOverhead: BenchmarkCase = {
  name: 'guard-overhead',
  async run({ quick, servers, rounds = quick ? 1 : 40, size: steps = quick ? 20 : 250 }): Promise<CaseResult> {
    await using started = new AsyncDisposableStack();
    const issuer = started.adopt(await startIssuer(), (one) => one.close());
    const generator = started.adopt(await servers.loadGenerator(), (one) => one.stop());
    const portcullis = started.adopt(await servers.portcullis(), (one) => one.stop());
    const startNew = async (settings: NoOpSettings) =>
      started.adopt(await startProgram<NoOpReady>('no-op-server', settings), (one) => one.stop());
    // A server for each variant, so that none is warmer than another; where figures say nothing, one for all that are alike.
    const start = quick ? oncePerProtection(startNew) : startNew;
    const variants = await variantsOf({ generator, issuer, portcullis, start }, { quick });
    const measured = await measureInterleaved(variants, { rounds, steps, warmUp: quick ? 10 : 3000 });
    return describe(measured, { rounds, steps });
  },
};

type Start = (settings: NoOpSettings) => Promise<ChildProgram<NoOpReady>>;
type Parts = { generator: LoadGenerator; issuer: Issuer; portcullis: Portcullis; start: Start };

function oncePerProtection(start: Start): Start {
  const started = new Map<Protection, ReturnType<Start>>();
  return (settings) => {
    const server = started.get(settings.protection) ?? start(settings);
    started.set(settings.protection, server);
    return server;
  };
}

async function variantsOf(
  { generator, issuer, portcullis, start }: Parts,
  { quick }: { quick: boolean },
): Promise<Variant[]> {
  const load = async (name: string, calls: McpCalls, about: { servers: readonly number[]; share?: number }) => {
    await generator.set(name, 'mcp-calls', calls);
    return loadVariant(generator, { name, atOnce: AT_ONCE, ...about });
  };
  const to = async (
    name: string,
    { protection, credentials = 'one token', revision = '2025-11-25', tool = 'nothing' }: ToNoOp,
  ): Promise<Variant> => {
    const issued = { issuer: issuer.url, resource: RESOURCE, scopes: ['nothing'], client: CLIENT };
    const { pid, ready } = await start({ protection, ...issued });
    const tokens = { issuer: issuer.url, privateJwk: issuer.privateJwk, credentials };
    const called = tool === 'list' ? undefined : tool;
    return load(name, { port: ready.port, resource: RESOURCE, tool: called, revision, tokens }, { servers: [pid] });
  };
  const { mcpUrl: resource, mcpPort, pids } = portcullis;
  const target = portcullisTarget(portcullis);
  const { access } = await signInToNewClient(target, createPerson(target.person));
  const given = { resource, revision: '2025-11-25', tokens: { given: access } } as const;
  // Asked is the authorization server of this project, for whoever asks at each call asks a whole one.
  const asking = await start({
    ...{ protection: 'introspection', issuer: portcullis.issuer, resource },
    ...{ scopes: ['desk:read'], client: portcullis.resourceServer },
  });
  const { authorizationServer, mcpServer } = pids;
  return Promise.all([
    to(UNGUARDED, { protection: 'none, SDK adapter' }),
    to(SAME_ADAPTER, { protection: 'none, guard adapter' }),
    to(ONE_TOKEN, { protection: 'guard' }),
    to('guard, 1,000 tokens in turn', { protection: 'guard', credentials: '1,000 tokens in turn' }),
    to('guard, every token new', { protection: 'guard', credentials: 'every token new' }),
    to('guard, one token with DPoP', { protection: 'guard', credentials: 'one token with DPoP' }),
    to('requireBearerAuth, jose', { protection: 'requireBearerAuth with jose' }),
    load(
      INTROSPECTION,
      { ...given, port: asking.ready.port, tool: 'nothing' },
      { servers: [asking.pid, authorizationServer], share: 0.2 },
    ),
    load(
      'the support desk with audit, whoami',
      { ...given, port: mcpPort, tool: 'whoami' },
      { servers: [mcpServer, authorizationServer], share: 0.4 },
    ),
    to(UNGUARDED_LIST, { protection: 'none, SDK adapter', tool: 'list' }),
    to(SAME_ADAPTER_LIST, { protection: 'none, guard adapter', tool: 'list' }),
    to(ONE_TOKEN_LIST, { protection: 'guard', tool: 'list' }),
    to('tools/list: requireBearerAuth, jose', { protection: 'requireBearerAuth with jose', tool: 'list' }),
    ...(quick
      ? []
      : [
          to(UNGUARDED_MODERN, { protection: 'none, SDK adapter', revision: '2026-07-28' }),
          to(SAME_ADAPTER_MODERN, { protection: 'none, guard adapter', revision: '2026-07-28' }),
          to(ONE_TOKEN_MODERN, { protection: 'guard', revision: '2026-07-28' }),
        ]),
  ]);
}

type ToNoOp = {
  protection: Protection;
  credentials?: Credentials;
  revision?: Revision;
  /** What is called, or that the tools are listed; default: the tool. */
  tool?: 'nothing' | 'list';
};

function describe(measured: readonly Measured[], { rounds, steps }: { rounds: number; steps: number }): CaseResult {
  const share = (name: string, of: string) => measured.find((one) => one.name === name)?.ratioTo(of);
  const isModern = ({ name }: Measured) => name.endsWith('2026-07-28');
  const isList = ({ name }: Measured) => name.startsWith('tools/list');
  const old = measured.filter((one) => !isModern(one) && !isList(one));
  const lists = measured.filter(isList);
  const modern = measured.filter(isModern);
  const goal = (what: string, wanted: number, measured = Number.NaN) =>
    ({ what, sense: 'at least', wanted, measured }) as const;
  return {
    name: guardOverhead.name,
    tables: [
      tableOf('tools/call of a tool that does nothing, in the words of 2025-11-25', old, UNGUARDED),
      tableOf('The same against the adapter of the guard without the guard', old, SAME_ADAPTER),
      tableOf('tools/list of one tool, in the words of 2025-11-25', lists, UNGUARDED_LIST),
      tableOf('The same against the adapter of the guard without the guard', lists, SAME_ADAPTER_LIST),
      tableOf('tools/call in the words of 2026-07-28', modern, UNGUARDED_MODERN),
      tableOf('The same against the adapter of the guard without the guard', modern, SAME_ADAPTER_MODERN),
    ],
    charts: [
      chartOf('tools/call of a tool that does nothing', [...old, ...modern]),
      chartOf('tools/list of one tool', lists),
    ],
    goals: [
      goal(`${ONE_TOKEN}, of ${UNGUARDED}, requests/s`, 0.95, share(ONE_TOKEN, UNGUARDED)?.perSecond.median),
      goal(`${ONE_TOKEN}, of ${UNGUARDED}, by CPU`, 0.95, share(ONE_TOKEN, UNGUARDED)?.cpu.median),
      goal(`${ONE_TOKEN}, of ${SAME_ADAPTER}, requests/s`, 0.95, share(ONE_TOKEN, SAME_ADAPTER)?.perSecond.median),
      goal(`${ONE_TOKEN}, of ${SAME_ADAPTER}, by CPU`, 0.95, share(ONE_TOKEN, SAME_ADAPTER)?.cpu.median),
      ...[UNGUARDED_LIST, SAME_ADAPTER_LIST].flatMap((of) => [
        goal(`${ONE_TOKEN_LIST}, of ${of}, requests/s`, 0.95, share(ONE_TOKEN_LIST, of)?.perSecond.median),
        goal(`${ONE_TOKEN_LIST}, of ${of}, by CPU`, 0.95, share(ONE_TOKEN_LIST, of)?.cpu.median),
      ]),
      goal(`${ONE_TOKEN}, of ${INTROSPECTION}, requests/s`, 3, share(ONE_TOKEN, INTROSPECTION)?.perSecond.median),
    ],
    notes: [
      `${rounds} rounds after warming up, ${steps} requests each, ${AT_ONCE} at once; variants in turn, medians.`,
      'By CPU: the processor time that a request takes, of the first one’s; for the desk and for introspection that of the authorization server is in it.',
    ],
  };
}
