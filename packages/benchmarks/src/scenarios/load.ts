import type { Journeys } from './journey.ts';
import type { McpCalls } from './mcp-call.ts';
import type { PersonSettings } from './person.ts';
import type { ClientCredentials, Introspections, Refreshes } from './token-endpoint.ts';

/** Everything that a load generator can be told to do, with what it needs to know for it. */
export type ScenarioSettings = Readonly<{
  'mcp-calls': McpCalls;
  refreshes: Refreshes;
  'client-credentials': ClientCredentials;
  introspections: Introspections;
  journeys: Journeys;
  'sign-ins': PersonSettings;
}>;

/** The name of something that a load generator can do. */
export type ScenarioName = keyof ScenarioSettings;

/** What a load generator is told: what to do, under a name; that so much of it is to come; and to do it. */
export type LoadMessage =
  | { [Name in ScenarioName]: { set: string; scenario: Name; settings: ScenarioSettings[Name] } }[ScenarioName]
  | { prepare: string; steps: number }
  | { run: string; steps: number; atOnce: number };

/** What came of a run; latencies in milliseconds. */
export type LoadResult = { seconds: number; latencyMs: { p50: number; p99: number } };
