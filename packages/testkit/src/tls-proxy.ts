import { request as openRequest } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { Certificate } from './self-signed-certificate.ts';

/** A proxy that terminates TLS on a loopback port. */
export type TlsProxy = { close(): Promise<void> };

/** Where it listens, what it shows, and to which loopback port it passes requests on. */
export type TlsProxyOptions = Certificate & { port: number; backendPort: number };

/**
 * Starts a proxy that asks clients for certificates, takes any, and passes them on in `Client-Cert` as RFC 9440 says:
 * what clients send in that header themselves never gets through.
 */
export async function startTlsProxy({ key, certificate, port, backendPort }: TlsProxyOptions): Promise<TlsProxy> {
  const server = createServer(
    { key, cert: certificate, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { 'client-cert': _sent, connection: _hop, ...headers } = request.headers;
      const shown = certificateOf(request.socket as TLSSocket);
      const forwarded = openRequest(
        {
          host: '127.0.0.1',
          port: backendPort,
          method: request.method,
          path: request.url,
          headers: { ...headers, ...(shown !== undefined && { 'client-cert': `:${shown}:` }) },
        },
        (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers)),
      );
      forwarded.on('error', () => response.destroy());
      request.pipe(forwarded);
    },
  );
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function certificateOf(socket: TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.raw.toString('base64');
}
