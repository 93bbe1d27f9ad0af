import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Guard, Handler } from './guard.ts';
import { bodyOf, sendResponse, webRequest } from './node-message.ts';
import { type CertificateSource, certificateOfConnection } from './proxied-certificate.ts';

/** What an adapter for Node.js can be told. */
export type NodeGuardOptions = {
  /**
   * Finds the client's certificate, for tokens that are bound to one. Default: the certificate of the TLS connection,
   * where Node.js itself terminates TLS. Behind a proxy that does: `certificateFromProxy`.
   */
  clientCertificate?: CertificateSource;
};

/**
 * Serves a guarded handler with `node:http`. Every path of the server is guarded; where other things are served too, use
 * the adapter of the framework, or hand only `guard.paths` to it. A fault of the handler is answered with 500 and told
 * to `onFault`.
 */
export function nodeHandler(
  guard: Guard,
  handler: Handler,
  { clientCertificate = certificateOfConnection, onFault = console.error }: NodeGuardOptions & FaultObserver = {},
): (message: IncomingMessage, out: ServerResponse) => Promise<void> {
  const { origin } = new URL(guard.resource);
  return async (message, out) => {
    try {
      await sendResponse(await answer(message, out), out);
    } catch (cause) {
      onFault(cause);
      if (out.headersSent) out.destroy();
      else out.writeHead(500).end();
    }
  };

  async function answer(message: IncomingMessage, out: ServerResponse): Promise<Response> {
    const gone = new AbortController();
    const request = readRequest(message, origin, gone.signal);
    // Holds the request until then: the signal of one that nobody holds any more is never aborted.
    const open = { gone, request };
    out.once('close', () => out.writableFinished || open.gone.abort());
    if (request === undefined) return new Response(null, { status: 400 });
    return guard.protect(request, handler, { clientCertificate: clientCertificate(message), body: bodyOf(message) });
  }
}

/** Told of a fault of the handler, for the log. Default: `console.error`. */
export type FaultObserver = { onFault?: (cause: unknown) => void };

function readRequest(message: IncomingMessage, origin: string, signal: AbortSignal): Request | undefined {
  try {
    return webRequest(message, origin, { signal });
  } catch {
    return undefined;
  }
}
