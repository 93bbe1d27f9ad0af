import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as openRequest } from 'node:http';
import { pipeline } from 'node:stream';
import { listenOnLoopback } from '../loopback-server.ts';

/** Where requests go, and the token that they get. */
type Forwarding = {
  /** Port of the protected server on 127.0.0.1. */
  port: number;
  /** Asked for each request. */
  token(): string | Promise<string>;
};

/** A reverse proxy that is up before anybody knows what stands behind it. */
export type TokenProxy = {
  /** `http://localhost:PORT`: what clients see, so the protected server's own URL has to begin with it. */
  origin: string;
  /** From now on requests go there. Before the first call they are answered 502. */
  forwardTo(forwarding: Forwarding): void;
  close(): Promise<void>;
};

/**
 * Starts a reverse proxy that adds a bearer token, because the conformance suite cannot send one.
 * It changes nothing else: `Host` and `Origin` arrive as the client sent them, so that it is the protected server which judges them.
 */
export async function startTokenProxy(): Promise<TokenProxy> {
  let forwarding: Forwarding | undefined;
  const server = await listenOnLoopback((request, response) => {
    if (!forwarding) return void response.writeHead(502).end();
    forward(forwarding, request, response).catch(() => response.destroy());
  });
  return {
    origin: server.origin,
    forwardTo(next) {
      forwarding = next;
    },
    close: server.close,
  };
}

async function forward({ port, token }: Forwarding, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = { ...request.headers, authorization: `Bearer ${await token()}` };
  const { method, url: path } = request;
  const upstream = openRequest({ host: '127.0.0.1', port, method, path, headers, setHost: false, agent: false });
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    pipeline(answer, response, () => {});
  });
  upstream.on('error', () => response.destroy());
  // A client that leaves a stream must end the stream behind the proxy as well.
  response.on('close', () => upstream.destroy());
  request.pipe(upstream);
}
