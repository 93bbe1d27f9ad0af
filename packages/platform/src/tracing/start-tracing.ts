import type { Logger } from '../logger.ts';
import { useTracing } from './spans.ts';
import type { TracingConfig } from './tracing-config.ts';

/** Tracing that runs. */
export type RunningTracing = {
  /** Sends what was traced and not sent yet, for two seconds at most, and traces no more. */
  close(): Promise<void>;
};

/** Starts tracing, where it is switched on. Only then OpenTelemetry's SDK is loaded at all. */
export async function startTracing(
  config: TracingConfig | undefined,
  log: Pick<Logger, 'warn' | 'debug'>,
): Promise<RunningTracing> {
  if (!config) return { close: async () => undefined };
  const { openTracing } = await import('./otlp-tracing.ts');
  const { tracing, close } = await openTracing(config, log);
  useTracing(tracing);
  return {
    async close() {
      useTracing(undefined);
      await close();
    },
  };
}
