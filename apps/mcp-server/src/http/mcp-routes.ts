import type Router from '@koa/router';
import type { Guard, Principal } from '@portcullis/guard';
import type { CertificateSource } from '@portcullis/guard/node';
import type { Context } from 'koa';
import type { RequestOrigin } from '../audit/refusal-window.ts';
import { recordRefusedCall } from '../audit/refused-call.ts';
import type { ToolAudit } from '../audit/tool-audit.ts';
import type { Call } from '../desk-server.ts';
import type { ToolPrincipal } from '../tools/tool.ts';
import type { Transport } from '../transport.ts';
import type { RequestState } from './correlation-id.ts';
import { JSON_RPC_ERROR, jsonRpcError } from './json-rpc-error.ts';
import { answerWith, toWebMessage, type WebMessage } from './web-message.ts';

/** What answers MCP, and who is told of what was refused. */
export type McpRouteParts = {
  guard: Guard;
  transport: Transport;
  audit: ToolAudit;
  /** Where requests came from, for whoever is told of one that was turned away. */
  origins: WeakMap<Request, RequestOrigin>;
  clientCertificate: CertificateSource;
};

/** The MCP endpoint and the metadata documents that lead to it, all behind the guard. */
export function mcpRoutes(
  router: Router<RequestState>,
  { guard, transport, audit, origins, clientCertificate }: McpRouteParts,
): void {
  const resource = new URL(guard.resource);
  const paths = [
    resource.pathname,
    new URL(guard.resourceMetadataUrl).pathname,
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-authorization-server',
  ];
  router.all([...new Set(paths)].map(literalPath), async (context) => {
    const { correlationId } = context.state;
    const arrived = readMessage(context, resource.origin);
    if (arrived === undefined) {
      context.status = 400;
      context.body = jsonRpcError({
        code: JSON_RPC_ERROR.invalidRequest,
        message: 'The request cannot be read',
        correlationId,
      });
      return;
    }
    const { request, body, over } = arrived;
    const origin = { address: context.ip, correlationId };
    origins.set(request, origin);
    const response = await guard.protect(
      request,
      (admitted, principal, message) =>
        transport.answer(admitted, { message, call: callOf(guard, principal, origin), over }),
      {
        body,
        clientCertificate: clientCertificate(context.req),
        onRefusedMessage: (refusal, { principal, message }) =>
          recordRefusedCall(audit, refusal, { message, call: callOf(guard, principal, origin) }),
      },
    );
    await answerWith(context, response);
  });
}

/** Keeps nothing of the request: what the SDK makes for a call stays in memory for longer than the answer takes. */
function callOf(guard: Guard, principal: Principal, { address, correlationId }: RequestOrigin): Call {
  return {
    principal: toolPrincipal(principal),
    permits: (scope) => guard.permits(principal, scope),
    endOf: (over) => guard.endOf(principal, over),
    upstreamToken: (upstream) => guard.upstreamToken(principal, upstream),
    correlationId,
    address,
  };
}

/** All that a tool learns of its caller. */
function toolPrincipal(principal: Principal): ToolPrincipal {
  const { subject, credential, clientId, grantId, scopes, roles, expiresAt, boundTo } = principal;
  return { subject, credential, clientId, grantId, scopes, roles, expiresAt, boundTo };
}

/** The request in web form; some have none, such as those of the method TRACE. */
function readMessage(context: Context, origin: string): WebMessage | undefined {
  try {
    return toWebMessage(context, origin);
  } catch {
    return undefined;
  }
}

/** A path in which the router finds no pattern. */
function literalPath(path: string): string {
  return path.replace(/[\\:*?+!(){}[\]]/g, (character) => `\\${character}`);
}
