import { randomUUID } from 'node:crypto';
import {
  context,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { parseKeyPairsIntoRecord, W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Logger } from '../logger.ts';
import type { OpenSpan, Tracing } from './spans.ts';
import { methodLabel } from './traced-fetch.ts';
import type { TracingConfig } from './tracing-config.ts';

const CLOSE_MS = 2000;
/** Longer values are cut: nothing that a span says of its work is longer. */
const LONGEST_VALUE = 256;
/** A collector that is away is spoken of so often. */
const WARN_EVERY_MS = 60_000;

/** Makes tracing that sends spans over OTLP, and what ends it. */
export async function openTracing(
  config: TracingConfig,
  log: Pick<Logger, 'warn' | 'debug'>,
): Promise<{ tracing: Tracing; close(): Promise<void> }> {
  const { delayMs, size, queueSize } = config.batch;
  diag.setLogger(diagLogger(log), DiagLogLevel.WARN);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new TracerProvider({
    sampler: samplerOf(config.sampler),
    spanLimits: { attributeValueLengthLimit: LONGEST_VALUE },
    // OTEL_RESOURCE_ATTRIBUTES are the operator's own words, and come last.
    resource: resourceFromAttributes({
      'service.name': config.serviceName,
      'service.instance.id': randomUUID(),
    }).merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: await exporterOf(config),
        scheduledDelayMillis: delayMs,
        maxExportBatchSize: size,
        maxQueueSize: queueSize,
      }),
    ],
  });
  return { tracing: tracingWith(provider.getTracer('portcullis')), close: () => closeWithin(provider) };
}

async function exporterOf({ protocol, url, headers, timeoutMs }: TracingConfig) {
  const options = { url, timeoutMillis: timeoutMs, headers: parseKeyPairsIntoRecord(headers?.reveal()) };
  switch (protocol) {
    case 'http/protobuf': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
      return new OTLPTraceExporter(options);
    }
    case 'http/json': {
      const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
      return new OTLPTraceExporter(options);
    }
  }
}

function samplerOf({ name, ratio }: TracingConfig['sampler']): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler();
    case 'always_off':
      return new AlwaysOffSampler();
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio);
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}

/** Of what a client sends only the place in a trace is taken: `tracestate` and `baggage` are text of its own choice. */
const PLACE_IN_TRACE: TextMapGetter<Record<string, unknown>> = {
  keys: () => ['traceparent'],
  get: (headers, name) => {
    const value = name === 'traceparent' ? headers.traceparent : undefined;
    return typeof value === 'string' ? value : undefined;
  },
};

function tracingWith(tracer: ReturnType<TracerProvider['getTracer']>): Tracing {
  const propagator = new W3CTraceContextPropagator();
  const openSpan = (span: Span): OpenSpan => ({
    note: (attributes) => void span.setAttributes(attributes),
    fail: (type) => fail(span, type),
    traceparent() {
      const carrier: Record<string, string> = {};
      propagator.inject(trace.setSpan(context.active(), span), carrier, {
        set: (into, name, value) => void Object.assign(into, { [name]: value }),
      });
      return carrier.traceparent;
    },
  });
  return {
    inSpan({ name, kind, attributes = {} }, work) {
      const span = tracer.startSpan(name, {
        kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL,
        attributes,
      });
      return context.with(trace.setSpan(context.active(), span), async () => {
        try {
          return await work(openSpan(span));
        } catch (cause) {
          fail(span, cause instanceof Error ? cause.name : 'unknown');
          throw cause;
        } finally {
          span.end();
        }
      });
    },
    openServerSpan(method, headers) {
      const parent = propagator.extract(ROOT_CONTEXT, headers, PLACE_IN_TRACE);
      const span = tracer.startSpan(methodLabel(method), { kind: SpanKind.SERVER }, parent);
      const within = trace.setSpan(parent, span);
      return {
        run: (work) => context.with(within, work),
        end({ name, attributes, failure }) {
          span.updateName(name);
          span.setAttributes(attributes);
          if (failure !== undefined) fail(span, failure);
          span.end();
        },
      };
    },
    done({ name, attributes = {} }, { durationMs, failed }) {
      const now = Date.now();
      const span = tracer.startSpan(name, { attributes, startTime: now - durationMs });
      if (failed) fail(span, 'database');
      span.end(now);
    },
    note: (attributes) => void trace.getActiveSpan()?.setAttributes(attributes),
    ids() {
      const span = trace.getActiveSpan()?.spanContext();
      return span && { trace_id: span.traceId, span_id: span.spanId };
    },
    bind: (work) => context.bind(context.active(), work),
  };
}

/** A fault's message may hold anything: its class says enough, and the log the rest. */
function fail(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** A collector that does not answer holds up no end. */
async function closeWithin(provider: TracerProvider): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
  await Promise.race([provider.shutdown().catch(() => undefined), late]);
}

function diagLogger(log: Pick<Logger, 'warn' | 'debug'>) {
  let saidAt = Number.NEGATIVE_INFINITY;
  const say = (problem: string) => {
    const now = performance.now();
    const isNew = now - saidAt >= WARN_EVERY_MS;
    if (isNew) saidAt = now;
    log[isNew ? 'warn' : 'debug']({ problem: problem.slice(0, 500) }, 'traces cannot be sent');
  };
  const nothing = () => undefined;
  return { error: say, warn: say, info: nothing, debug: nothing, verbose: nothing };
}
