import { InvalidTokenError, TemporarilyUnavailableError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { authInfo, type SdkAuthInfo } from './auth-info.ts';
import type { Guard, Handler } from './guard.ts';
import { afterwards } from './response-end.ts';

export { authInfo, type SdkAuthInfo } from './auth-info.ts';

/**
 * A verifier for `requireBearerAuth` of `@modelcontextprotocol/sdk` 1.x.
 *
 * It verifies tokens as the guard does and no more: `Host`, `Origin`, metadata, CORS and the challenge without
 * credentials stay with the SDK, which answers 400 where the guard would answer 503, and so does every message. Where
 * there is a choice, use {@link mcpV1Handler}.
 */
export function tokenVerifier(guard: Guard): { verifyAccessToken(token: string): Promise<SdkAuthInfo> } {
  return {
    async verifyAccessToken(token) {
      const verdict = await guard.verifyToken(token);
      if (verdict.ok) return authInfo(guard, verdict.principal);
      if ('retryAfterSeconds' in verdict.refusal) {
        throw new TemporarilyUnavailableError('The access token cannot be checked at the moment.');
      }
      throw new InvalidTokenError('The access token is not valid for this resource.');
    },
  };
}

/** A server of version 1 of the MCP TypeScript SDK, as far as the guard uses it. */
export type McpV1Server = {
  connect(transport: WebStandardStreamableHTTPServerTransport): Promise<void>;
  close(): Promise<void>;
};

/**
 * Puts servers of version 1 of the MCP TypeScript SDK behind a guard: one for each message, without sessions, so that
 * GET and DELETE get 405. Tools find the caller in `extra.authInfo.extra.principal`.
 */
export function mcpV1Handler(guard: Guard, createServer: () => McpV1Server): Handler {
  return async (request, principal, message) => {
    if (request.method !== 'POST') return new Response(null, { status: 405, headers: { allow: 'POST' } });
    const server = createServer();
    const transport = new WebStandardStreamableHTTPServerTransport();
    await server.connect(transport);
    const parsed = message === undefined ? {} : { parsedBody: message };
    const response = await transport.handleRequest(request, { authInfo: authInfo(guard, principal), ...parsed });
    request.signal.addEventListener('abort', () => void server.close());
    return afterwards(response, () => server.close());
  };
}
