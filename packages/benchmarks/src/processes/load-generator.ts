import { journeys } from '../scenarios/journey.ts';
import type { LoadMessage, LoadResult, ScenarioName, ScenarioSettings } from '../scenarios/load.ts';
import { mcpCalls } from '../scenarios/mcp-call.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { signIns } from '../scenarios/sign-in.ts';
import { clientCredentials, introspections, refreshes } from '../scenarios/token-endpoint.ts';

type Makers = { [Name in ScenarioName]: (settings: ScenarioSettings[Name]) => Promise<Scenario> | Scenario };

const makers: Makers = {
  'mcp-calls': mcpCalls,
  refreshes,
  'client-credentials': clientCredentials,
  introspections,
  journeys,
  'sign-ins': signIns,
};
const scenarios = new Map<string, Scenario>();

function make<Name extends ScenarioName>(name: Name, settings: ScenarioSettings[Name]) {
  return makers[name](settings);
}

async function answer(message: LoadMessage): Promise<LoadResult | 'done'> {
  if ('run' in message) return run(known(message.run), message);
  if ('prepare' in message) await known(message.prepare).prepare?.(message.steps);
  else scenarios.set(message.set, await make(message.scenario, message.settings as never));
  return 'done';
}

function known(name: string): Scenario {
  const scenario = scenarios.get(name);
  if (scenario === undefined) throw new Error(`nobody said what ${name} is`);
  return scenario;
}

async function run(scenario: Scenario, { steps, atOnce }: { steps: number; atOnce: number }): Promise<LoadResult> {
  const took: number[] = [];
  let next = 0;
  const startedAt = performance.now();
  const work = async (worker: number) => {
    while (next < steps) {
      const beganAt = performance.now();
      await scenario.step(next++, worker);
      took.push(performance.now() - beganAt);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, worker) => work(worker)));
  const seconds = (performance.now() - startedAt) / 1000;
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
  return { seconds, latencyMs: { p50: at(0.5), p99: at(0.99) } };
}

process.on('message', (message: LoadMessage) => {
  answer(message).then(
    (said) => process.send?.(said),
    (cause: unknown) =>
      process.send?.({ fault: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
