import type { Database } from '@portcullis/persistence';
import type { Context, Middleware } from 'koa';
import { closingLimit } from '../http/closing-limit.ts';
import { createFailureLimit, networkOf } from '../http/failure-limit.ts';
import { requestContext } from '../http/request-context.ts';
import { sendErrorPage } from '../http/send-page.ts';
import type { CountLimitHit } from '../metrics.ts';
import { isAuthorizationRequest } from './request-shape.ts';

/** How long a query may be; what it says is stored until somebody has signed in. */
const AUTHORIZATION_QUERY_BYTES = 8192;

/** How many authorizations one network may begin, in how long. Many people may share it: five a second, all day long. */
const AUTHORIZATION_LIMIT = { name: 'authorization', failures: 3000, windowSeconds: 600 } as const;

/** Bounds what anybody can make this server store by asking for authorizations that nobody goes on with. */
export function limitAuthorizations(database: Database, onHit: CountLimitHit): Middleware {
  const limit = closingLimit(createFailureLimit(database, AUTHORIZATION_LIMIT));
  return async (ctx, next) => {
    if (!isAuthorizationRequest(ctx.method, ctx.path)) return next();
    if (Buffer.byteLength(ctx.querystring) > AUTHORIZATION_QUERY_BYTES) return sendTooLong(ctx);
    const allowance = await limit.take(networkOf(requestContext(ctx).address));
    if (allowance.allowed) return next();
    onHit(AUTHORIZATION_LIMIT.name);
    sendTooMany(ctx, allowance.retryAfterSeconds);
  };
}

function sendTooLong(ctx: Context): void {
  sendErrorPage(ctx, {
    status: 414,
    title: 'The app’s request is too long',
    explanation: `It has ${Buffer.byteLength(ctx.querystring)} bytes behind the question mark; this server takes ${AUTHORIZATION_QUERY_BYTES}.`,
    advice: ['The app should keep what it has to remember on its own side, and send a short state.'],
  });
}

function sendTooMany(ctx: Context, retryAfterSeconds: number): void {
  ctx.set('Retry-After', String(retryAfterSeconds));
  sendErrorPage(ctx, {
    status: 429,
    title: 'Too many sign-ins at once',
    explanation: 'From your network, more sign-ins were begun than this server takes.',
    advice: [
      `Start signing in again in ${Math.ceil(retryAfterSeconds / 60)} min. An app that begins one by itself should stop.`,
    ],
  });
}
