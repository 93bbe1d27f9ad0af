import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard, Handler } from './guard.ts';
import { nodeGuard } from './node.ts';
import { type FaultObserver, type NodeGuardOptions, nodeHandler } from './node-handler.ts';
import type { Principal } from './principal.ts';

/** What the guard uses of a Koa context. */
export type GuardedContext = {
  req: IncomingMessage;
  res: ServerResponse;
  originalUrl: string;
  path: string;
  respond?: boolean;
  state: { principal?: Principal };
};

type Middleware = (context: GuardedContext, next: () => Promise<unknown>) => Promise<void>;

/**
 * With a handler: serves it, guarded, at `guard.paths`, and leaves every other path to the middleware after it.
 *
 * Without one: stands before the middleware after it, which finds the caller in `ctx.state.principal`. Mount it for the
 * MCP route and for `/.well-known/`, before any body parser; a POST must announce its length (else 411).
 */
export function koaGuard(guard: Guard, handler?: Handler, options: NodeGuardOptions & FaultObserver = {}): Middleware {
  return handler === undefined ? before(guard, options) : serving(guard, handler, options);
}

function serving(guard: Guard, handler: Handler, options: NodeGuardOptions & FaultObserver): Middleware {
  const serve = nodeHandler(guard, handler, options);
  return async (context, next) => {
    const [path = ''] = context.originalUrl.split('?', 1);
    if (!guard.paths.has(path)) return void (await next());
    context.respond = false;
    await serve(Object.assign(context.req, { originalUrl: context.originalUrl }), context.res);
  };
}

function before(guard: Guard, options: NodeGuardOptions): Middleware {
  const authenticate = nodeGuard(guard, options);
  return async (context, next) => {
    const principal = await authenticate(context.req, context.res, context.originalUrl);
    context.respond = principal !== undefined;
    if (principal === undefined) return;
    context.state.principal = principal;
    await next();
  };
}
