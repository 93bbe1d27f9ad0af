/** Whether a host name (as `URL.hostname` writes it) means this very machine. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** Whether a URL may be asked or trusted: `https:`, or `http:` to this very machine. */
export function isProtected(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/**
 * Inserts a well-known suffix between host and path, as RFC 8414 section 3.1 and RFC 9728 section 3.1 do.
 * A path of a single slash counts as none.
 */
export function wellKnownUrl(identifier: string, suffix: string): string {
  const { origin, pathname } = new URL(identifier);
  return `${origin}/.well-known/${suffix}${pathname === '/' ? '' : pathname}`;
}

/** A `Host` value in one form (lower case, no default port), or undefined when it is none. */
export function canonicalHost(host: string, protocol: string): string | undefined {
  if (!/^[a-z0-9._\-:[\]]+$/i.test(host)) return undefined;
  const text = `${protocol}//${host}`;
  return URL.canParse(text) ? new URL(text).host : undefined;
}
