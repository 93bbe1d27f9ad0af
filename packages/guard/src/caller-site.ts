import { canonicalHost } from './web-address.ts';

/**
 * Whether the request was meant for one of our hosts. Without this a page whose name is re-bound to our address
 * could talk to us with the browser's help. `X-Forwarded-Host` is not looked at.
 *
 * The `Host` header counts; where the runtime gives none, the request's URL does.
 */
export function isOwnHost(request: Request, allowedHosts: ReadonlySet<string>): boolean {
  const header = request.headers.get('host');
  if (header !== null && allowedHosts.has(header)) return true;
  const url = new URL(request.url);
  const host = canonicalHost(header ?? url.host, url.protocol);
  return host !== undefined && allowedHosts.has(host);
}

/**
 * Whether the request comes from no browser page or from one that may call. `Origin` is compared as it stands,
 * with scheme and port; `null` is foreign.
 *
 * @see MCP 2026-07-28, transports, security
 */
export function isAllowedOrigin(request: Request, allowedOrigins: ReadonlySet<string>): boolean {
  const origin = request.headers.get('origin');
  return origin === null || allowedOrigins.has(origin);
}
