import { randomUUID } from 'node:crypto';
import type { Middleware } from 'koa';

/** What our middleware knows about a request. */
export type RequestState = { correlationId: string };

/**
 * Gives each request an id of its own, which its answer carries and every log line about it names.
 * An id that the client sends is ignored: it could repeat somebody else's.
 */
export const correlationId: Middleware<RequestState> = async (context, next) => {
  context.state.correlationId = randomUUID();
  context.set('X-Correlation-Id', context.state.correlationId);
  context.set('X-Content-Type-Options', 'nosniff');
  await next();
};
