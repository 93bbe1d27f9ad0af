import type { Context } from 'koa';

/** The engine's own routes, which no router of ours knows. */
const ENGINE_ROUTES = new Set([
  '/authorize',
  '/authorize/:uid',
  '/introspect',
  '/jwks',
  '/revoke',
  '/session/end',
  '/session/end/confirm',
  '/token',
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
]);

/** Where documents about resources lie, each below its own path. */
const RESOURCE_METADATA = '/.well-known/oauth-protected-resource';

/** The pattern of the route that answered a request, without the issuer's path; undefined where there is none. */
export function routeOf(ctx: Context): string | undefined {
  const matched: unknown = ctx._matchedRoute;
  if (typeof matched === 'string') return matched;
  // The engine reads paths in any case, and with a slash behind them.
  const path = ctx.path.toLowerCase().replace(/\/$/, '');
  if (path.startsWith(RESOURCE_METADATA)) return RESOURCE_METADATA;
  const pattern = path.replace(/^\/authorize\/[^/]+$/, '/authorize/:uid');
  return ENGINE_ROUTES.has(pattern) ? pattern : undefined;
}
