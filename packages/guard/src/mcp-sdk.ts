import { authInfo, type SdkAuthInfo } from './auth-info.ts';
import type { Guard, Handler } from './guard.ts';

export { authInfo, type SdkAuthInfo } from './auth-info.ts';

/** What `createMcpHandler` of `@modelcontextprotocol/server` makes, as far as the guard uses it. */
export type McpHttpHandler = {
  fetch(request: Request, options?: { authInfo?: SdkAuthInfo; parsedBody?: unknown }): Promise<Response>;
};

/**
 * Puts a server of version 2 of the MCP TypeScript SDK behind a guard: `mcpHandler(guard, createMcpHandler(factory))`.
 * Tools find the caller in `ctx.http.authInfo.extra.principal`. A subscription ends with the token that it was opened
 * with.
 */
export function mcpHandler(guard: Guard, handler: McpHttpHandler): Handler {
  return (request, principal, message) => {
    const options = { authInfo: authInfo(guard, principal) };
    if (message === undefined) return handler.fetch(request, options);
    // Other requests end by themselves.
    const isOpenEnded = message.method === 'subscriptions/listen';
    const sent = isOpenEnded ? endingWith(guard.endOf(principal), request) : request;
    return handler.fetch(sent, { ...options, parsedBody: message });
  };
}

function endingWith(end: AbortSignal, { url, method, headers, signal }: Request): Request {
  return new Request(url, { method, headers, signal: AbortSignal.any([signal, end]) });
}
