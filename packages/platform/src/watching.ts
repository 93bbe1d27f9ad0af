export { metricsListener } from './metrics/metrics-listener.ts';
export { createProcessMetrics, type Meter, type ProcessMetrics } from './metrics/process-metrics.ts';
export { onceAnswered, type WatchRequest, watchRequests } from './metrics/watched-requests.ts';
export { doneInSpan, inSpan, noteInSpan, type OpenSpan } from './tracing/spans.ts';
export { type RunningTracing, startTracing } from './tracing/start-tracing.ts';
export { outgoingSpan, tracedFetch } from './tracing/traced-fetch.ts';
export { readTracing, type TracingConfig } from './tracing/tracing-config.ts';
