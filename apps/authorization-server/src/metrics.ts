import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { Anomaly } from './redemption/anomaly.ts';

/** What is counted about codes and refresh tokens. */
export type TokenMetrics = {
  /** A refresh token was rotated. */
  rotated(): void;
  /** The answer to a rotation was given again, within the grace. */
  replayed(): void;
  /** A refresh token was refused whose successor had been used, within its own grace. */
  superseded(): void;
  /** A code or refresh token was used again, and its grant revoked. */
  reused(kind: 'code' | 'refresh_token'): void;
  anomaly(kind: Anomaly): void;
};

/** Everything that this process counts. */
export type Metrics = {
  tokens: TokenMetrics;
  /** Adds what Node.js tells about its process: processor, memory, event loop, garbage collection. */
  addProcess(): void;
  /** The counts in Prometheus' text form. */
  text(): Promise<string>;
  contentType: string;
};

/** Counts for one server, apart from those of any other in the same process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name: `portcullis_${name}`, help, labelNames, registers: [registry] });
  const rotations = counter('refresh_rotations_total', 'Refresh tokens that were rotated.');
  const replays = counter('refresh_replays_total', 'Answers to a refresh that were given again within the grace.');
  const superseded = counter(
    'refresh_superseded_total',
    'Refresh tokens that were refused, within their grace, because their successor was in use.',
  );
  const reuse = counter('token_reuse_total', 'Codes and refresh tokens that were used again; ends their grant.', [
    'kind',
  ]);
  const anomalies = counter('anomalies_total', 'What somebody should look at; the audit trail says more.', ['kind']);
  return {
    tokens: {
      rotated: () => rotations.inc(),
      replayed: () => replays.inc(),
      superseded: () => superseded.inc(),
      reused: (kind) => reuse.inc({ kind }),
      anomaly: (kind) => anomalies.inc({ kind }),
    },
    addProcess: () => collectDefaultMetrics({ register: registry }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
