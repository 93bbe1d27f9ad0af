import type { Guard, Handler } from './guard.ts';

/** What the guard uses of a Hono context. */
export type HonoContext = { req: { raw: Request; path: string } };

/**
 * Serves a guarded handler with Hono: `app.use(honoGuard(guard, handler))`. It answers `guard.paths` and leaves every
 * other path to what comes after it. Not known here: client certificates; for tokens that are bound to one call
 * `guard.protect` yourself.
 */
export function honoGuard(
  guard: Guard,
  handler: Handler,
): (context: HonoContext, next: () => Promise<void>) => Promise<Response | undefined> {
  return async ({ req }, next) => {
    if (guard.paths.has(req.path)) return guard.protect(req.raw, handler);
    await next();
    return undefined;
  };
}
