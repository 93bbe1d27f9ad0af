import { inSpan } from './spans.ts';

/** The methods that a span or a metric names; every other one is `other`. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** A method of HTTP as a label: one of a bounded set, whatever a client sends. */
export function methodLabel(method: string | undefined): string {
  return method !== undefined && METHODS.has(method) ? method : 'other';
}

/** What the span of a request to another server says: method and host, never a path or a query. */
export function outgoingSpan(method: string, url: URL) {
  const label = methodLabel(method);
  const port = url.port === '' ? {} : { 'server.port': Number(url.port) };
  const attributes = { 'http.request.method': label, 'server.address': url.hostname, ...port };
  return { name: label, kind: 'client' as const, attributes };
}

/**
 * A `fetch` whose requests are spans. The trace is handed on to the servers at `origins`, which are our own, and to
 * nobody else. It ends with the answer's headers: what is streamed after them belongs to no span.
 */
export function tracedFetch(
  fetch: typeof globalThis.fetch,
  { origins }: { origins: readonly string[] },
): typeof globalThis.fetch {
  return (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
    return inSpan(outgoingSpan(method, url), async (span) => {
      const traceparent = origins.includes(url.origin) ? span.traceparent() : undefined;
      const response = await fetch(input, traceparent === undefined ? init : withHeader(input, init, traceparent));
      span.note({ 'http.response.status_code': response.status });
      if (response.status >= 400) span.fail(String(response.status));
      return response;
    });
  };
}

type FetchInput = Parameters<typeof globalThis.fetch>[0];
type FetchInit = NonNullable<Parameters<typeof globalThis.fetch>[1]>;

function withHeader(input: FetchInput, init: FetchInit | undefined, traceparent: string): FetchInit {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.set('traceparent', traceparent);
  return { ...init, headers };
}
