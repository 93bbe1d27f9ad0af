import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Interference, TestIssuer } from './issuer.ts';

/** The revocation feed of a test issuer, in the hands of the test. */
export type TestFeed = {
  url: string;
  /** The requests for it, the newest last. */
  requests: IncomingMessage[];
  /** Answers the next requests so, instead of with a stream. */
  refuseWith(status: number | undefined): void;
  /** Writes into every open stream. */
  write(text: string): void;
  beat(id?: string): void;
  revoke(...revocations: unknown[]): void;
  /** Ends every open stream. */
  end(): void;
};

/** @param others answers what is no request for the feed, if it wants to */
export function startFeed(issuer: TestIssuer, others: Interference = () => false): TestFeed {
  const streams = new Set<ServerResponse>();
  const requests: IncomingMessage[] = [];
  let status: number | undefined;
  issuer.interfere((request, response) => {
    if (request.url !== '/revocations') return others(request, response);
    requests.push(request);
    if (status !== undefined) {
      response.writeHead(status).end();
      return true;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    streams.add(response);
    response.on('close', () => streams.delete(response));
    return true;
  });
  const write = (text: string) => {
    for (const stream of streams) stream.write(text);
  };
  return {
    url: `${issuer.url}/revocations`,
    requests,
    refuseWith(next) {
      status = next;
    },
    write,
    beat: (id = '1') => write(`event: heartbeat\nid: ${id}\ndata: {"time":"2026-11-20T12:00:00Z"}\n\n`),
    revoke: (...revocations) => write(`event: revocations\ndata: ${JSON.stringify(revocations)}\n\n`),
    end() {
      for (const stream of streams) stream.end();
    },
  };
}

/** Looks again and again, for at most ten seconds. */
export async function until(look: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
