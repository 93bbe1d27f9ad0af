import type { IncomingHttpHeaders } from 'node:http';

/** What a span says of its work. Never a secret, a token, an address of a person, a path or a query. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** One piece of work, by a name from a bounded set. */
export type SpanOptions = { name: string; kind?: 'internal' | 'client'; attributes?: SpanAttributes };

/** A span that is open. */
export type OpenSpan = {
  /** Adds to what the span says. */
  note(attributes: SpanAttributes): void;
  /** Says that the work came to nothing, by a word from a closed set. */
  fail(type: string): void;
  /** The header of W3C Trace Context with which this span goes on elsewhere; undefined while nothing is traced. */
  traceparent(): string | undefined;
};

/** The span of a request that came in; it ends with the answer, which may be later than the work. */
export type ServerSpan = {
  run<T>(work: () => T): T;
  end(answered: { name: string; attributes: SpanAttributes; failure?: string | undefined }): void;
};

/** What traces. It is put in place once, by {@link useTracing}; until then nothing is traced, and nothing costs. */
export type Tracing = {
  inSpan<T>(options: SpanOptions, work: (span: OpenSpan) => Promise<T>): Promise<T>;
  openServerSpan(method: string, headers: IncomingHttpHeaders): ServerSpan;
  done(options: SpanOptions, o: { durationMs: number; failed: boolean }): void;
  note(attributes: SpanAttributes): void;
  ids(): { trace_id: string; span_id: string } | undefined;
  bind(work: () => void): () => void;
};

let tracing: Tracing | undefined;

const NO_SPAN: OpenSpan = { note: () => undefined, fail: () => undefined, traceparent: () => undefined };

/** Puts tracing in place, or takes it away. */
export function useTracing(given: Tracing | undefined): void {
  tracing = given;
}

/** Does work in a span of its own, below the one that is open. A fault that is thrown is named in it by its class alone. */
export function inSpan<T>(options: SpanOptions, work: (span: OpenSpan) => Promise<T>): Promise<T> {
  return tracing ? tracing.inSpan(options, work) : work(NO_SPAN);
}

/** A span of work that is done already, and took so long. */
export function doneInSpan(options: SpanOptions, o: { durationMs: number; failed: boolean }): void {
  tracing?.done(options, o);
}

/** Adds to what the open span says, if there is one. */
export function noteInSpan(attributes: SpanAttributes): void {
  tracing?.note(attributes);
}

/** Opens the span of a request, below the one that its `traceparent` names; undefined while nothing is traced. */
export function openServerSpan(method: string, headers: IncomingHttpHeaders): ServerSpan | undefined {
  return tracing?.openServerSpan(method, headers);
}

/** What a log line says of the trace that it belongs to, under OpenTelemetry's own names. */
export function traceFields(): Record<string, string> {
  return { ...tracing?.ids() };
}

/** The same work, which belongs to the span that is open now, whenever it is done. */
export function inThisSpan(work: () => void): () => void {
  return tracing ? tracing.bind(work) : work;
}
