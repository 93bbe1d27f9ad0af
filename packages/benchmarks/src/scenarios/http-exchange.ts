import { Agent, type IncomingHttpHeaders, request as openRequest } from 'node:http';

/** One request to a server on this machine. */
export type Sent = {
  url: URL;
  method?: 'GET' | 'POST' | 'DELETE';
  headers?: Record<string, string>;
  body?: string;
};

/** Its answer, read to the end. */
export type Answer = { status: number; headers: IncomingHttpHeaders; text: string };

/** Connections that are kept open, as those of a client that asks again are. */
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Sends a request to the loopback address, whatever its host is called. */
export function exchange(request: Sent): Promise<Answer> {
  const { url, method = 'POST', headers = {}, body } = request;
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const options = {
    ...{ agent, method, host: '127.0.0.1', port: url.port, path: url.pathname + url.search },
    headers: { host: url.host, ...headers, ...length },
  };
  return new Promise((resolve, reject) => {
    const sent = openRequest(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
      });
    });
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      // What the server closed as idle while this process was busy, signing what it is about to send, takes no request.
      if (sent.reusedSocket && cause.code === 'ECONNRESET') resolve(exchange(request));
      else reject(cause);
    });
    sent.end(body);
  });
}

/** Sends a form and reads the JSON of the answer. @throws Error for another status than 200 */
export async function exchangeForm(
  url: URL,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await exchange({
    url,
    headers: { ...type, ...headers },
    body: new URLSearchParams(form).toString(),
  });
  return jsonOf(answer, 200);
}

/** The JSON of an answer. @throws Error when it has another status than expected, or is no JSON object */
export function jsonOf({ status, text }: Answer, expected: number): Record<string, unknown> {
  if (status !== expected) throw new Error(`status ${status} instead of ${expected}: ${text.slice(0, 500)}`);
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error(`no JSON object: ${text.slice(0, 500)}`);
  return value as Record<string, unknown>;
}

/** The headers of HTTP Basic authentication for a client (RFC 6749 section 2.3.1). */
export function basicAuthorization({ clientId, clientSecret }: { clientId: string; clientSecret: string }) {
  const pair = [clientId, clientSecret].map(encodeURIComponent).join(':');
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
