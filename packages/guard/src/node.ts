import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard } from './guard.ts';
import type { NodeGuardOptions } from './node-handler.ts';
import { sendResponse, webRequest } from './node-message.ts';
import type { Principal } from './principal.ts';
import { certificateOfConnection } from './proxied-certificate.ts';

export { type FaultObserver, type NodeGuardOptions, nodeHandler } from './node-handler.ts';
export { bodyOf, sendResponse, webRequest } from './node-message.ts';
export {
  type CertificateProxy,
  type CertificateSource,
  certificateFromProxy,
  certificateOfConnection,
  certificateProxyProblems,
} from './proxied-certificate.ts';

/**
 * Puts a guard in front of a Node.js or Express handler. The result resolves to the principal, with CORS headers
 * already on the answer; or it has answered itself and resolves to undefined. Give it every request of the MCP route
 * and of `/.well-known/`.
 *
 * The body is left to the handler, so a POST must announce its length (else 411) and keep it within the limit.
 * `target` is the request target where a router has changed `request.url`; Express keeps it by itself.
 *
 * @throws TypeError for a guard with `declarations`, which has to see bodies and answers: use `nodeHandler`
 */
export function nodeGuard(
  guard: Guard,
  { clientCertificate = certificateOfConnection }: NodeGuardOptions = {},
): (request: IncomingMessage, response: ServerResponse, target?: string) => Promise<Principal | undefined> {
  if (guard.judgesMessages)
    throw new TypeError('A guard with declarations works with nodeHandler, not with nodeGuard.');
  const { origin } = new URL(guard.resource);
  return async (message, out, target) => {
    const request = toRequest(message, origin, target);
    const admission =
      request && (await guard.admit(request, { lengthRequired: true, clientCertificate: clientCertificate(message) }));
    if (admission === undefined) {
      await sendResponse(new Response(null, { status: 400 }), out);
      return undefined;
    }
    if (!admission.admitted) {
      await sendResponse(admission.response, out);
      return undefined;
    }
    for (const [name, value] of Object.entries(admission.headers)) out.setHeader(name, value);
    return admission.principal;
  };
}

function toRequest(message: IncomingMessage, origin: string, target?: string): Request | undefined {
  try {
    return webRequest(message, origin, { target });
  } catch {
    return undefined;
  }
}
