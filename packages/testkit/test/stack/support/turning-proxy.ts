import { request as openRequest } from 'node:http';
import { listenOnLoopback } from '../../../src/loopback-server.ts';

/** Stands in front of replicas like a load balancer that never sends two requests in a row to the same one. */
export type TurningProxy = {
  origin: string;
  /** The ports of the replicas; until then it leads nowhere. */
  leadTo(ports: readonly number[]): void;
  /** Which replica each request went to so far, those that are left out of the turns not counted. */
  turns(): readonly number[];
  close(): Promise<void>;
};

/**
 * Starts one on a free loopback port.
 *
 * @param isApart requests by path that have turns of their own, so that they cannot shift the turns of the others
 */
export async function startTurningProxy(isApart: (path: string) => boolean = () => false): Promise<TurningProxy> {
  let ports: readonly number[] = [];
  let apart = 0;
  const turns: number[] = [];
  const next = (path: string) => {
    if (isApart(path)) return ports[apart++ % ports.length];
    const port = ports[turns.length % ports.length];
    if (port !== undefined) turns.push(port);
    return port;
  };
  const server = await listenOnLoopback((request, response) => {
    const { method, url: path = '/', headers } = request;
    // A connection for each request: none of them is kept for the next, which goes elsewhere.
    const forwarded = openRequest(
      { host: '127.0.0.1', port: next(path), method, path, headers, agent: false },
      (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers)),
    );
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    request.pipe(forwarded);
  });
  return {
    origin: server.origin,
    leadTo(given) {
      ports = given;
    },
    turns: () => turns,
    close: () => server.close(),
  };
}
