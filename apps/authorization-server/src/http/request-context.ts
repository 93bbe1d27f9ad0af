import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock, Logger } from '@portcullis/platform';
import { onceAnswered } from '@portcullis/platform/watching';
import type { Middleware } from 'koa';
import { noteArrival } from './arrivals.ts';

/** What is known about a request, wherever it is handled. */
export type RequestContext = {
  /** Shown on error pages and written into logs and the audit trail, so that the three can be joined. */
  correlationId: string;
  /** The issuer's path, in front of every link. */
  basePath: string;
  /** The client's address, behind the trusted proxies. */
  address: string;
  /** When the request was sent at the earliest: it cannot know of what was answered later. */
  arrivedAt: Date;
  /** Work that must be done before the answer leaves. */
  pending: Promise<unknown>[];
};

const contexts = new WeakMap<IncomingMessage, RequestContext>();

/** The context of a request; the engine sees the same Node request in a Koa context of its own. */
export function requestContext({ req }: { req: IncomingMessage }): RequestContext {
  const context = contexts.get(req);
  if (!context) throw new Error('a request was handled outside the request context');
  return context;
}

/** What opening a context needs; `requestLogLevel` is `info` by default. */
export type RequestContextOptions = {
  log: Logger;
  clock: Clock;
  basePath: string;
  requestLogLevel?: RequestLogLevel | undefined;
};

/** On a terminal, where a person looks for something else than requests, it is `debug`. */
export type RequestLogLevel = 'info' | 'debug';

/** Asked every few seconds by whoever runs the server; worth a line only to somebody who looks for it. */
const HEALTH_PATHS = new Set(['/healthz', '/readyz']);

/** Gives every request a context, and logs it once it is answered: method, path without query, status, time. */
export function openRequestContext(options: RequestContextOptions): Middleware {
  const { log, clock, basePath, requestLogLevel = 'info' } = options;
  // No field of the line has a name under which a secret could be; looking for one costs as much as a look-up in the database.
  const lines = log.child({}, { redact: [] });
  return async (ctx, next) => {
    const correlationId = randomUUID();
    const startedAt = clock().getTime();
    const arrivedAt = new Date(startedAt - noteArrival(ctx.req));
    const { method, path } = ctx;
    contexts.set(ctx.req, { correlationId, basePath, address: ctx.ip, arrivedAt, pending: [] });
    ctx.set('X-Correlation-Id', correlationId);
    onceAnswered(ctx, () => {
      const durationMs = clock().getTime() - startedAt;
      const level = HEALTH_PATHS.has(path) ? 'debug' : requestLogLevel;
      lines[level](
        { correlationId, method, path: pathForLog(path), status: ctx.res.statusCode, durationMs },
        'request',
      );
    });
    await next();
  };
}

/**
 * A path as a log may have it. Interaction ids are worth as little as the cookie beside them, but a log needs none of
 * them; and who names a token where its id belongs has put a secret into the path: 256 bits are 43 characters.
 */
export function pathForLog(path: string): string {
  return path
    .replace(/\/(interaction|authorize)\/[^/]+/i, '/$1/:uid')
    .replace(/\/pc[a-z]_[^/]*/gi, '/:secret')
    .replace(/\/[\w.-]{43,}(?=\/|$)/g, '/:secret')
    .slice(0, 200);
}
