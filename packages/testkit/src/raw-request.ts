import type { Agent, IncomingHttpHeaders } from 'node:http';
import { request as openRequest } from 'node:http';
import { request as openTlsRequest } from 'node:https';

/** A request as it goes over the wire. */
export type RawRequest = {
  /** GET by default, POST when there is a body. */
  method?: string;
  /** Taken as they are, `Host` and `Origin` too; a list sends the header several times. */
  headers?: Record<string, string | string[]>;
  /** A form, or text whose content type the headers name. */
  body?: URLSearchParams | string;
  /** The loopback address to come from, such as 127.0.0.2; 127.0.0.1 by default. */
  fromAddress?: string;
  /** The connections to use; by default each request has one of its own, and ends it. */
  agent?: Agent;
};

/** An answer, read to its end. */
export type RawAnswer = { status: number; headers: IncomingHttpHeaders; text: string };

const timeoutMs = 20_000;

/** Sends one request to a loopback server, without any of the care that `fetch` takes: no redirects, any `Host`. */
export function sendRaw(
  url: string | URL,
  { method, headers = {}, body, fromAddress, agent }: RawRequest = {},
): Promise<RawAnswer> {
  const target = new URL(url);
  const isForm = body instanceof URLSearchParams;
  const payload = body?.toString();
  const open = target.protocol === 'https:' ? openTlsRequest : openRequest;
  return new Promise((resolve, reject) => {
    const request = open({
      host: '127.0.0.1',
      servername: target.hostname,
      port: target.port,
      path: target.pathname + target.search,
      method: method ?? (payload === undefined ? 'GET' : 'POST'),
      headers: {
        ...(!hasHeader(headers, 'host') && { host: target.host }),
        ...(isForm && { 'content-type': 'application/x-www-form-urlencoded' }),
        ...(payload !== undefined && { 'content-length': String(Buffer.byteLength(payload)) }),
        ...headers,
      },
      setHost: false,
      agent: agent ?? false,
      timeout: timeoutMs,
      ...(fromAddress !== undefined && { localAddress: fromAddress }),
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    request.end(payload);
  });
}

function hasHeader(headers: Record<string, unknown>, name: string): boolean {
  return Object.keys(headers).some((key) => key.toLowerCase() === name);
}
