import type { IncomingMessage, ServerResponse } from 'node:http';
import { inThisSpan, openServerSpan } from '../tracing/spans.ts';
import { methodLabel } from '../tracing/traced-fetch.ts';
import type { Meter } from './process-metrics.ts';

/** The route of what no route is for: one label, however many paths are tried. */
const NO_ROUTE = 'other';

/** Does what answers a request, and watches it. */
export type WatchRequest = (
  exchange: { req: IncomingMessage; res: ServerResponse },
  /** The pattern of the route, once the request was answered; never the path. */
  route: () => string | undefined,
  answer: () => Promise<void>,
) => Promise<void>;

/**
 * Watches all requests of a server: each is counted with its time, from its arrival to the end of its answer, and has a
 * span where there is tracing. A client that leaves before the end counts as `aborted`.
 */
export function watchRequests(meter: Meter): WatchRequest {
  const times = meter.histogram(
    'portcullis_http_request_duration_seconds',
    'Requests by route, method and class of status, from the arrival to the end of the answer.',
    ['route', 'method', 'status'],
  );
  return (exchange, route, answer) => {
    const { req, res } = exchange;
    const startedMs = performance.now();
    const method = methodLabel(req.method);
    const span = openServerSpan(method, req.headers);
    res.once('close', () => {
      const answered = { route: labelOf(route), method, status: statusOf(res) };
      times.observe(answered, (performance.now() - startedMs) / 1000);
      span?.end({
        name: `${method} ${answered.route}`,
        attributes: {
          'http.request.method': method,
          'http.route': answered.route,
          'http.response.status_code': res.statusCode,
          ...correlation(res),
        },
        failure: res.statusCode >= 500 || answered.status === 'aborted' ? answered.status : undefined,
      });
    });
    return span ? span.run(answer) : answer();
  };
}

/** What is thrown here would end the process, and there are targets that nobody can read a path in. */
function labelOf(route: () => string | undefined): string {
  try {
    return route() ?? NO_ROUTE;
  } catch {
    return NO_ROUTE;
  }
}

/** Does something once an answer has been sent, as a part of the request's trace. */
export function onceAnswered({ res }: { res: ServerResponse }, act: () => void): void {
  res.once('finish', inThisSpan(act));
}

function statusOf({ writableFinished, statusCode }: ServerResponse): string {
  return writableFinished ? `${Math.floor(statusCode / 100)}xx` : 'aborted';
}

/** What joins a span to the log and the audit trail; an id of our own. */
function correlation(res: ServerResponse): Record<string, string> {
  const id = res.getHeader('x-correlation-id');
  return typeof id === 'string' ? { 'portcullis.correlation_id': id } : {};
}
