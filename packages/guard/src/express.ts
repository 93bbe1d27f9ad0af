import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard, Handler } from './guard.ts';
import { type FaultObserver, type NodeGuardOptions, nodeHandler } from './node-handler.ts';

/** What the guard uses of an Express request. */
export type ExpressRequest = IncomingMessage & { originalUrl: string };

/**
 * Serves a guarded handler with Express 5: `app.use(expressGuard(guard, handler))`. It answers `guard.paths` and leaves
 * every other path to what comes after it. Before or after a body parser: what that has read is judged all the same.
 */
export function expressGuard(
  guard: Guard,
  handler: Handler,
  options?: NodeGuardOptions & FaultObserver,
): (request: ExpressRequest, response: ServerResponse, next: () => void) => Promise<void> {
  const serve = nodeHandler(guard, handler, options);
  return async (request, response, next) => {
    if (guard.paths.has(pathOf(request.originalUrl))) await serve(request, response);
    else next();
  };
}

function pathOf(target: string): string {
  return target.split('?', 1)[0] ?? target;
}
