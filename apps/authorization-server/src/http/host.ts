import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import type { Site } from '../site.ts';

/**
 * Answers only requests for the issuer's own host, and makes the engine see nothing but the issuer.
 *
 * The engine builds every URL from the `Host` header and, behind a proxy, from `X-Forwarded-Host`; it also accepts
 * client assertions addressed to such a URL. So a foreign `Host` gets 421, and the forwarded headers are replaced by
 * what the configuration says.
 */
export function pinHost(site: Site): Middleware {
  return async (ctx, next) => {
    if (ctx.get('host').toLowerCase() !== site.host) {
      ctx.status = 421;
      ctx.body = {
        error: 'invalid_request',
        error_description: `This server answers at ${site.origin} only. Use that address.`,
        issuer: site.issuer,
      };
      return;
    }
    forgetForwarded(ctx.req, site);
    await next();
  };
}

function forgetForwarded({ headers }: IncomingMessage, site: Site): void {
  headers.host = site.host;
  for (const name of Object.keys(headers))
    if (name === 'forwarded' || name.startsWith('x-forwarded-')) delete headers[name];
  headers['x-forwarded-proto'] = site.secure ? 'https' : 'http';
}
