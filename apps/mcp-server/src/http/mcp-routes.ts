import type Router from '@koa/router';
import type { Guard } from '@portcullis/guard';
import type { CertificateSource } from '@portcullis/guard/node';
import type { Context } from 'koa';
import type { Transport } from '../transport.ts';
import type { RequestState } from './correlation-id.ts';
import { JSON_RPC_ERROR, jsonRpcError } from './json-rpc-error.ts';
import { answerWith, toWebRequest } from './web-message.ts';

/** The MCP endpoint and the metadata documents that lead to it, all behind the guard. */
export function mcpRoutes(
  router: Router<RequestState>,
  { guard, transport, clientCertificate }: { guard: Guard; transport: Transport; clientCertificate: CertificateSource },
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
    const request = readRequest(context, resource.origin);
    if (request === undefined) {
      context.status = 400;
      context.body = jsonRpcError({
        code: JSON_RPC_ERROR.invalidRequest,
        message: 'The request cannot be read',
        correlationId,
      });
      return;
    }
    const response = await guard.protect(
      request,
      (admitted, { subject, clientId, scopes, roles, expiresAt, boundTo }) =>
        transport.answer(admitted, {
          principal: { subject, clientId, scopes, roles, expiresAt, boundTo },
          correlationId,
          address: context.ip,
        }),
      { clientCertificate: clientCertificate(context.req) },
    );
    answerWith(context, response);
  });
}

/** The request in web form; some have none, such as those of the method TRACE. */
function readRequest(context: Context, origin: string): Request | undefined {
  try {
    return toWebRequest(context, origin);
  } catch {
    return undefined;
  }
}

/** A path in which the router finds no pattern. */
function literalPath(path: string): string {
  return path.replace(/[\\:*?+!(){}[\]]/g, (character) => `\\${character}`);
}
