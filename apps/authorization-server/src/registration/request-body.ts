import { bodyParser } from '@koa/bodyparser';
import type { Context, Middleware } from 'koa';

const LIMIT = '56kb';

const unreadable = new WeakSet<object>();

/** Reads JSON of at most 56 KB. What cannot be read is left for {@link jsonBodyOf} to tell. */
export function acceptJson(): Middleware {
  return bodyParser({
    enableTypes: ['json'],
    jsonLimit: LIMIT,
    onError: (_cause, ctx) => {
      unreadable.add(ctx.req);
      ctx.request.body = {};
    },
  });
}

/** The members of a JSON object that was posted, or why there are none. */
export type JsonBody = { ok: true; body: Readonly<Record<string, unknown>> } | { ok: false; description: string };

/** What {@link acceptJson} read. */
export function jsonBodyOf(ctx: Context): JsonBody {
  if (unreadable.has(ctx.req))
    return { ok: false, description: 'the body must be a JSON object of at most 56 KB, in UTF-8' };
  if (ctx.get('content-type') !== '' && !ctx.is('json')) {
    return { ok: false, description: 'the body must be JSON, with the content type application/json' };
  }
  const body: unknown = ctx.request.body;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { ok: false, description: 'the body must be a JSON object' };
  return { ok: true, body: Object.fromEntries(Object.entries(body)) };
}
