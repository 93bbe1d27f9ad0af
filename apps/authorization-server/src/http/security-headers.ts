import type { Middleware } from 'koa';
import type { Site } from '../site.ts';

/**
 * No script, no frame, nothing from elsewhere. There is no `form-action`: browsers hold it against the whole chain of
 * redirects that follows a form, so `'self'` would stop the browser on its way back to the client.
 */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/** Headers that every answer carries; AS-12 asks for both ways of refusing to be framed. */
export function securityHeaders(site: Site): Middleware {
  const headers: Record<string, string> = {
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cross-Origin-Opener-Policy': 'same-origin-allow-popups',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    ...(site.secure && { 'Strict-Transport-Security': 'max-age=31536000; includeSubDomains' }),
  };
  return async (ctx, next) => {
    ctx.set(headers);
    await next();
  };
}
