import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard } from './guard.ts';
import { type NodeGuardOptions, nodeGuard } from './node.ts';
import type { Principal } from './principal.ts';

/** What the guard uses of a Koa context. */
export type GuardedContext = {
  req: IncomingMessage;
  res: ServerResponse;
  originalUrl: string;
  respond?: boolean;
  state: { principal?: Principal };
};

/**
 * Puts a guard in front of the Koa middleware after it, which finds the caller in `ctx.state.principal`. Mount it
 * for the MCP route and for `/.well-known/`, before any body parser.
 *
 * A POST must announce its length (else 411) and keep it within the limit.
 */
export function koaGuard(
  guard: Guard,
  options?: NodeGuardOptions,
): (context: GuardedContext, next: () => Promise<unknown>) => Promise<void> {
  const authenticate = nodeGuard(guard, options);
  return async (context, next) => {
    const principal = await authenticate(context.req, context.res, context.originalUrl);
    if (principal === undefined) {
      context.respond = false;
      return;
    }
    context.state.principal = principal;
    await next();
  };
}
