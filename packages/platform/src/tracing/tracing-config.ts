import type { EnvironmentReader } from '../environment.ts';
import type { Secret } from '../secret.ts';

const SAMPLERS = [
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'always_on',
  'always_off',
  'traceidratio',
] as const;

const PROTOCOLS = ['http/protobuf', 'http/json'] as const;

/** How traces are made and where they go. */
export type TracingConfig = Readonly<{
  /** Where spans are posted to. */
  url: string;
  protocol: (typeof PROTOCOLS)[number];
  /** Headers of these posts, as `name=value` pairs with commas between them. */
  headers: Secret | undefined;
  timeoutMs: number;
  serviceName: string;
  sampler: { name: (typeof SAMPLERS)[number]; ratio: number };
  /** How spans are gathered: for how long, how many at once, how many at most wait. */
  batch: { delayMs: number; size: number; queueSize: number };
}>;

/**
 * Reads OpenTelemetry's own variables, as far as they concern traces over OTLP.
 *
 * @returns undefined where no endpoint is set, or tracing is switched off
 */
export function readTracing(
  read: EnvironmentReader,
  { serviceName }: { serviceName: string },
): TracingConfig | undefined {
  const isOff =
    read.optional('OTEL_SDK_DISABLED')?.toLowerCase() === 'true' ||
    read.oneOf('OTEL_TRACES_EXPORTER', ['otlp', 'none'], 'otlp') === 'none';
  const url = endpointOf(read);
  if (isOff || url === undefined) return undefined;
  const ofTraces = (name: string) =>
    read.optional(`OTEL_EXPORTER_OTLP_TRACES_${name}`) === undefined
      ? `OTEL_EXPORTER_OTLP_${name}`
      : `OTEL_EXPORTER_OTLP_TRACES_${name}`;
  const queueSize = read.integer('OTEL_BSP_MAX_QUEUE_SIZE', { fallback: 2048, min: 1, max: 1_000_000 });
  return {
    url,
    protocol: read.oneOf(ofTraces('PROTOCOL'), PROTOCOLS, 'http/protobuf'),
    headers: read.secret('OTEL_EXPORTER_OTLP_TRACES_HEADERS') ?? read.secret('OTEL_EXPORTER_OTLP_HEADERS'),
    timeoutMs: read.integer(ofTraces('TIMEOUT'), { fallback: 10_000, min: 1, max: 600_000 }),
    serviceName: read.string('OTEL_SERVICE_NAME', serviceName),
    sampler: {
      name: read.oneOf('OTEL_TRACES_SAMPLER', SAMPLERS, 'parentbased_always_on'),
      ratio: ratioOf(read),
    },
    batch: {
      delayMs: read.integer('OTEL_BSP_SCHEDULE_DELAY', { fallback: 5000, min: 1, max: 600_000 }),
      size: Math.min(
        read.integer('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', { fallback: 512, min: 1, max: 100_000 }),
        queueSize,
      ),
      queueSize,
    },
  };
}

/** An endpoint for all signals is a base, one for traces is the whole address. */
function endpointOf(read: EnvironmentReader): string | undefined {
  const own = httpUrl(read, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  if (own !== undefined) return own;
  const base = httpUrl(read, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  return base === undefined ? undefined : `${base.replace(/\/$/, '')}/v1/traces`;
}

function httpUrl(read: EnvironmentReader, name: string): string | undefined {
  const text = read.optional(name);
  if (text === undefined) return undefined;
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  read.problem(`${name} must be an http or https URL, such as http://collector.internal:4318.`);
  return undefined;
}

function ratioOf(read: EnvironmentReader): number {
  const text = read.optional('OTEL_TRACES_SAMPLER_ARG');
  const ratio = text === undefined ? 1 : Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  read.problem('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1.');
  return 1;
}
