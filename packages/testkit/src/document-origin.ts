import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { selfSignedCertificate } from './self-signed-certificate.ts';

/** Answers one request; whatever it does not end stays open. */
export type OriginAnswer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on loopback that plays all the hosts from which documents are fetched. */
export type DocumentOrigin = {
  port: number;
  /** Its certificate, as PEM. */
  ca: string;
  /** What was asked for so far: `https://host/path`. */
  requests: string[];
  /** How many connections were made so far, with or without a request. */
  connections(): number;
  /** Answers a URL from now on; what was never set answers 404. */
  set(url: string, answer: OriginAnswer): void;
  close(): Promise<void>;
};

/** Starts one that has a certificate for `hosts`. */
export async function startDocumentOrigin(hosts: readonly string[]): Promise<DocumentOrigin> {
  const { key, certificate } = selfSignedCertificate(hosts);
  const answers = new Map<string, OriginAnswer>();
  const requests: string[] = [];
  let connections = 0;
  const server = createServer({ key, cert: certificate }, (request, response) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '');
    const url = `https://${host}${request.url}`;
    requests.push(url);
    const answer = answers.get(url);
    if (answer) return answer(request, response);
    response.writeHead(404).end();
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    ca: certificate,
    requests,
    connections: () => connections,
    set: (url, answer) => void answers.set(url, answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers with JSON, or with `body` as it is where it is a string. */
export function answerJson(body: unknown, headers: Record<string, string> = {}): OriginAnswer {
  return (_request, response) => {
    response
      .writeHead(200, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** Answers with a status and nothing else. */
export function answerStatus(status: number, headers: Record<string, string> = {}): OriginAnswer {
  return (_request, response) => void response.writeHead(status, headers).end();
}
