import { type AuthInfo, createMcpHandler } from '@modelcontextprotocol/server';
import type { McpMessage } from '@portcullis/guard';
import { type Call, type DeskDeps, deskServer } from './desk-server.ts';

/**
 * MCP over HTTP, for requests that the guard let in: the token is verified, and the message, which a POST alone has, may
 * ask for what it asks for.
 */
export type Transport = {
  answer(request: Request, message: McpMessage | undefined, call: Call): Promise<Response>;
  close(): Promise<void>;
};

const SUBSCRIPTION_CAP = 256;

/** One endpoint for both protocol eras, without sessions. */
export function mcpTransport(deps: DeskDeps): Transport {
  const calls = new WeakMap<AuthInfo, Call>();
  const handler = createMcpHandler(({ authInfo }) => deskServer(deps, callOf(calls, authInfo)), {
    maxSubscriptions: SUBSCRIPTION_CAP,
    onerror: (error) => deps.logger.debug({ err: error }, 'an MCP request was refused'),
  });
  return {
    async answer(request, message, call) {
      const authInfo = asAuthInfo(call);
      calls.set(authInfo, call);
      const parsed = message === undefined ? {} : { parsedBody: message };
      return await handler.fetch(endingWithToken(request, call, deps.now()), { authInfo, ...parsed });
    },
    close: () => handler.close(),
  };
}

/** The SDK insists on a token here; it never sees one. */
function asAuthInfo({ principal }: Call): AuthInfo {
  return { token: '', clientId: principal.clientId, scopes: [...principal.scopes] };
}

function callOf(calls: WeakMap<AuthInfo, Call>, authInfo: AuthInfo | undefined): Call {
  const call = authInfo && calls.get(authInfo);
  if (call === undefined) throw new Error('an MCP request arrived without its principal');
  return call;
}

const TIMER_CAP_MS = 2 ** 31 - 1;
/** As long as the guard takes a token after its end. */
const CLOCK_TOLERANCE_MS = 5000;

/** The same request, aborted when its token expires, so that no open stream outlives the right to it (RS-26). */
function endingWithToken(request: Request, { principal }: Call, now: Date): Request {
  const untilExpiryMs = Math.max(principal.expiresAt.getTime() - now.getTime(), 0);
  const leftMs = Math.min(untilExpiryMs + CLOCK_TOLERANCE_MS, TIMER_CAP_MS);
  const { method, headers, url } = request;
  return new Request(url, { method, headers, signal: AbortSignal.any([request.signal, AbortSignal.timeout(leftMs)]) });
}
