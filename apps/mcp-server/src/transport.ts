import { type AuthInfo, createMcpHandler, isJSONRPCRequest } from '@modelcontextprotocol/server';
import { decideToolAccess } from './access/tool-access.ts';
import { type Call, type DeskDeps, deskServer } from './desk-server.ts';
import { JSON_RPC_ERROR, type JsonRpcErrorParts, jsonRpcError } from './http/json-rpc-error.ts';

/** MCP over HTTP, for requests that the guard let in: the token is verified, the body JSON by its type and within the limit. */
export type Transport = {
  answer(request: Request, call: Call): Promise<Response>;
  close(): Promise<void>;
};

/** What the transport needs besides the tools' own needs. */
export type TransportDeps = DeskDeps & {
  /** The 403 that names the scopes a call needs (RS-18). */
  insufficientScope(request: Request, required: readonly string[]): Response;
};

const SUBSCRIPTION_CAP = 256;

/**
 * One endpoint for both protocol eras, without sessions. A message is judged by its body:
 * headers such as `Mcp-Name` are only ever compared with it, never believed.
 */
export function mcpTransport(deps: TransportDeps): Transport {
  const calls = new WeakMap<AuthInfo, Call>();
  const handler = createMcpHandler(({ authInfo }) => deskServer(deps, callOf(calls, authInfo)), {
    maxSubscriptions: SUBSCRIPTION_CAP,
    onerror: (error) => deps.logger.debug({ err: error }, 'an MCP request was refused'),
  });
  return {
    async answer(request, call) {
      const body = await readMessage(request);
      if (!body.ok) return refuse(body.refusal, call.correlationId);
      const missing = missingScopes(body.message, call, deps);
      if (missing) {
        deps.audit.record({ decision: 'insufficient-scope', ...missing.called, call, durationMs: 0 });
        return deps.insufficientScope(request, missing.scopes);
      }
      const authInfo = asAuthInfo(call);
      calls.set(authInfo, call);
      const parsed = body.message === undefined ? {} : { parsedBody: body.message };
      return await handler.fetch(endingWithToken(request, call, deps.now()), { authInfo, ...parsed });
    },
    close: () => handler.close(),
  };
}

type Refusal = { reason: 'not-json' | 'batch' };
type Message = { ok: true; message: unknown } | { ok: false; refusal: Refusal };

async function readMessage(request: Request): Promise<Message> {
  if (request.method !== 'POST') return { ok: true, message: undefined };
  const message = parseJson(await request.text());
  if (message === undefined) return { ok: false, refusal: { reason: 'not-json' } };
  // Only the revision of 2025-03-26 had batches. Refused whole, so that none can carry a call past the judging below.
  if (Array.isArray(message)) return { ok: false, refusal: { reason: 'batch' } };
  return { ok: true, message };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse({ reason }: Refusal, correlationId: string): Response {
  const answer = (parts: Omit<JsonRpcErrorParts, 'correlationId'>) =>
    Response.json(jsonRpcError({ ...parts, correlationId }), { status: 400 });
  switch (reason) {
    case 'not-json':
      return answer({ code: JSON_RPC_ERROR.parseError, message: 'The body is not valid JSON' });
    case 'batch':
      return answer({ code: JSON_RPC_ERROR.invalidRequest, message: 'JSON-RPC batches are not supported' });
  }
}

type MissingScopes = { scopes: readonly string[]; called: { tool: string; arguments: unknown } };

/** The scopes to ask for, where the message calls a tool that is listed for the caller but needs more than its token has. */
function missingScopes(message: unknown, { principal }: Call, deps: TransportDeps): MissingScopes | undefined {
  if (!isJSONRPCRequest(message) || message.method !== 'tools/call') return undefined;
  const tool = deps.tools.find(({ name }) => name === message.params?.name);
  if (tool === undefined || tool.scopes === 'any-valid-token') return undefined;
  if (decideToolAccess(tool, principal, deps.permissions) !== 'listed-and-challenged') return undefined;
  return { scopes: tool.scopes, called: { tool: tool.name, arguments: message.params?.arguments } };
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
