// What MCP clients in a browser send and read, in every revision of the protocol.
const REQUEST_HEADERS = [
  'Authorization',
  'Content-Type',
  'DPoP',
  'MCP-Protocol-Version',
  'Mcp-Method',
  'Mcp-Name',
  'Mcp-Session-Id',
  'Last-Event-ID',
].join(', ');
const EXPOSED_HEADERS = 'WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, MCP-Protocol-Version, Retry-After';

/**
 * CORS headers of an answer on the MCP route. The caller has already found the origin to be allowed; a request
 * without one gets `Vary` alone. Credentials mode is never allowed: a token travels in `Authorization`, not in a cookie.
 */
export function crossOriginHeaders(request: Request): Record<string, string> {
  const origin = request.headers.get('origin');
  if (origin === null) return { vary: 'Origin' };
  return {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED_HEADERS,
  };
}

/** The answer to `OPTIONS` on the MCP route. It needs no token, because a browser's preflight carries none. */
export function preflightResponse(request: Request): Response {
  const headers = {
    ...crossOriginHeaders(request),
    vary: 'Origin, Access-Control-Request-Headers',
    allow: 'GET, POST, DELETE, OPTIONS',
    'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
    'access-control-allow-headers': [REQUEST_HEADERS, ...parameterHeaders(request)].join(', '),
    'access-control-max-age': '600',
  };
  return new Response(null, { status: 204, headers });
}

/** CORS headers of a document that every page may read. */
export const publicDocumentHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, OPTIONS',
  'access-control-allow-headers': REQUEST_HEADERS,
  'access-control-max-age': '600',
};

// `Mcp-Param-*` is a family of headers named by each tool, and CORS has no pattern for a family.
function parameterHeaders(request: Request): string[] {
  const asked = request.headers.get('access-control-request-headers')?.split(',') ?? [];
  return asked.map((name) => name.trim()).filter((name) => /^mcp-param-[a-z0-9-]{1,100}$/i.test(name));
}
