import { type AuthInfo, createMcpHandler, isJSONRPCRequest } from '@modelcontextprotocol/server';
import type { McpMessage } from '@portcullis/guard';
import { type Call, type CalledTool, type DeskDeps, deskServer } from './desk-server.ts';
import { onceOver } from './http/web-message.ts';
import type { AdmissionRefusal, Admissions } from './policy/admission.ts';
import { admissionRefused } from './policy/refusal-response.ts';

/**
 * MCP over HTTP, for requests that the guard let in: the token is verified, and the message, which a POST alone has, may
 * ask for what it asks for.
 */
export type Transport = {
  answer(request: Request, asked: Asked): Promise<Response>;
  close(): Promise<void>;
};

/** What a request asks for, and in whose name. */
type Asked = {
  message: McpMessage | undefined;
  call: Call;
  /** Aborted once the request is over: answered, or given up by its client. */
  over: AbortSignal;
};

/** What the transport needs besides the tools' own needs. */
export type TransportDeps = DeskDeps & { admissions: Admissions };

/** One endpoint for both protocol eras, without sessions. */
export function mcpTransport(deps: TransportDeps): Transport {
  const arrived = new WeakMap<AuthInfo, Arrived>();
  const makeServer = ({ call, called }: Arrived) => deskServer(deps, call, called);
  const handler = createMcpHandler(({ authInfo }) => makeServer(arrivedWith(arrived, authInfo)), {
    maxSubscriptions: deps.limits.subscriptions,
    onerror: (error) => deps.logger.debug({ err: error }, 'an MCP request was refused'),
  });
  return {
    async answer(request, { message, call, over }) {
      const called = calledTool(message, deps);
      const subscribes = isSubscription(message);
      const admission = await deps.admissions.judge(call.principal, subscribes ? 'subscription' : called?.tool);
      if (!admission.ok) return refuse(admission.refusal, message, { call, called, deps });
      onceOver(over, () => admission.release());
      const authInfo = asAuthInfo(call);
      arrived.set(authInfo, { call, called });
      const parsed = message === undefined ? {} : { parsedBody: message };
      // Other answers end by themselves.
      const sent = subscribes ? endingWithToken(request, call, over) : request;
      return await handler.fetch(sent, { authInfo, ...parsed });
    },
    close: () => handler.close(),
  };
}

/** What the server of a request is made with. */
type Arrived = { call: Call; called: CalledTool | undefined };

function calledTool(message: McpMessage | undefined, { tools }: DeskDeps): CalledTool | undefined {
  if (!isJSONRPCRequest(message) || message.method !== 'tools/call') return undefined;
  const tool = tools.find(({ name }) => name === message.params?.name);
  return tool && { tool, arguments: message.params?.arguments };
}

/** A request whose answer may stay open for as long as its token lasts. */
function isSubscription(message: McpMessage | undefined): boolean {
  return isJSONRPCRequest(message) && message.method === 'subscriptions/listen';
}

function refuse(
  refusal: AdmissionRefusal,
  message: McpMessage | undefined,
  { call, called, deps }: Arrived & { deps: DeskDeps },
): Response {
  if (called) {
    deps.audit.record({ decision: 'over-limit', ...called, tool: called.tool.name, call, durationMs: 0 });
  }
  const id = isJSONRPCRequest(message) ? message.id : undefined;
  return admissionRefused(refusal, { id, correlationId: call.correlationId });
}

/** The SDK insists on a token here; it never sees one. */
function asAuthInfo({ principal }: Call): AuthInfo {
  return { token: '', clientId: principal.clientId, scopes: [...principal.scopes] };
}

function arrivedWith(all: WeakMap<AuthInfo, Arrived>, authInfo: AuthInfo | undefined): Arrived {
  const arrived = authInfo && all.get(authInfo);
  if (arrived === undefined) throw new Error('an MCP request arrived without its principal');
  return arrived;
}

/** Sees to it that no open stream outlives the right to it (RS-26). */
function endingWithToken({ url, method, headers }: Request, call: Call, over: AbortSignal): Request {
  const request = new Request(url, { method, headers, signal: call.endOf(over) });
  // Holds the request until then: its signal is aborted only for as long as somebody does.
  onceOver(over, () => void request);
  return request;
}
