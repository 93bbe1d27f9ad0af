import { authInfo, type SdkAuthInfo } from './auth-info.ts';
import type { Guard, Handler } from './guard.ts';
import { afterwards } from './response-end.ts';

export { authInfo, type SdkAuthInfo } from './auth-info.ts';

/** What `createMcpHandler` of `@modelcontextprotocol/server` makes, as far as the guard uses it. */
export type McpHttpHandler = {
  fetch(request: Request, options?: { authInfo?: SdkAuthInfo; parsedBody?: unknown }): Promise<Response>;
};

/**
 * Puts a server of version 2 of the MCP TypeScript SDK behind a guard: `mcpHandler(guard, createMcpHandler(factory))`.
 * Tools find the caller in `ctx.http.authInfo.extra.principal`. A subscription ends when the token that it was
 * opened with expires or is revoked; the client opens it again with the next one.
 */
export function mcpHandler(guard: Guard, handler: McpHttpHandler): Handler {
  return async (request, principal, message) => {
    const options = { authInfo: authInfo(guard, principal) };
    if (message === undefined) return handler.fetch(request, options);
    const answer = (sent: Request) => handler.fetch(sent, { ...options, parsedBody: message });
    // Other requests end by themselves.
    if (message.method !== 'subscriptions/listen') return answer(request);
    return untilOver(request, (over) => {
      const sent = endingWith(guard.endOf(principal, over), request);
      // Holds it until then: the signal of a request that nobody holds any more is never aborted.
      over.addEventListener('abort', () => void sent, { once: true });
      return answer(sent);
    });
  };
}

/** Answers, with a signal that is aborted once the client is gone or the answer has been read. */
async function untilOver({ signal }: Request, answer: (over: AbortSignal) => Promise<Response>): Promise<Response> {
  const over = new AbortController();
  const end = () => {
    signal.removeEventListener('abort', end);
    over.abort();
  };
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  try {
    return afterwards(await answer(over.signal), end);
  } catch (cause) {
    end();
    throw cause;
  }
}

function endingWith(signal: AbortSignal, { url, method, headers }: Request): Request {
  return new Request(url, { method, headers, signal });
}
