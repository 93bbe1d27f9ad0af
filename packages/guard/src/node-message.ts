import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Where Express and Koa keep the request target that their routers shorten, and what a body parser has read. */
type RoutedMessage = IncomingMessage & { originalUrl?: string; body?: unknown };

/**
 * Puts a Node.js request into web form, without its body. The URL is built on `origin`, never on the `Host` header,
 * which stays a header for the guard to judge. Repeated headers are kept, for Node.js itself would drop the second
 * `Authorization` in silence.
 *
 * @param target the request target, where a router has changed `message.url`
 * @param signal aborted when the client goes away
 * @throws TypeError when the request has no web form (method TRACE or target `*`, for example)
 */
export function webRequest(
  message: RoutedMessage,
  origin: string,
  { target = message.originalUrl ?? message.url, signal }: { target?: string | undefined; signal?: AbortSignal } = {},
): Request {
  const { host, path } = splitTarget(target ?? '');
  const request = new Request(origin + path, { method: message.method ?? 'GET', ...(signal && { signal }) });
  // Put in afterwards: headers that are handed over are copied one by one.
  const { headers } = request;
  const { rawHeaders } = message;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  if (host !== undefined || !headers.has('host')) headers.set('host', host ?? '');
  return request;
}

/** The body of a Node.js request: its bytes as they come, or what a body parser has made of them. */
export function bodyOf(message: RoutedMessage): AsyncIterable<Uint8Array> | undefined {
  if (message.body !== undefined) return parsed(message.body);
  const hasBody = message.headers['transfer-encoding'] !== undefined || Number(message.headers['content-length']) > 0;
  return hasBody ? chunksOf(message) : undefined;
}

/**
 * The chunks of a body, as the message's own iterator gives them at twice the price. Whoever stops reading early must not
 * destroy the message: its connection is the one that the refusal goes out on.
 *
 * @throws Error when the client goes away before its end
 */
async function* chunksOf(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  const arrived: Uint8Array[] = [];
  let isOver = message.readableEnded || message.destroyed;
  let wake = () => {};
  const take = (chunk: Uint8Array) => {
    arrived.push(chunk);
    wake();
  };
  const end = () => {
    isOver = true;
    wake();
  };
  message.on('data', take).on('end', end).on('error', end).on('close', end);
  try {
    for (let chunk = arrived.shift(); chunk !== undefined || !isOver; chunk = arrived.shift()) {
      if (chunk !== undefined) yield chunk;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    if (!message.readableEnded) throw message.errored ?? new Error('the client went away in the middle of its request');
  } finally {
    message.off('data', take).off('end', end).off('error', end).off('close', end);
    if (!isOver) message.pause();
  }
}

/** Sends a web response as the answer to a Node.js request, a stream as it comes. Ends early when the client is gone. */
export async function sendResponse(response: Response, out: ServerResponse): Promise<void> {
  out.statusCode = response.status;
  for (const [name, value] of response.headers) out.appendHeader(name, value);
  if (!isStream(response)) {
    out.end(response.body === null ? undefined : Buffer.from(await response.arrayBuffer()));
    return;
  }
  // A stream that begins with a pause must not keep its headers back; one that does not sends both at once.
  setImmediate(() => out.headersSent || out.flushHeaders());
  await pipe(response.body, out);
}

/** Reads by hand, which costs less than the stream's iterator. */
async function pipe(body: Response['body'], out: ServerResponse): Promise<void> {
  const reader = body?.getReader();
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    if (out.destroyed) return reader?.cancel();
    if (!out.write(read.value)) await Promise.race([once(out, 'drain'), once(out, 'close')]);
  }
  out.end();
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') ?? false;
}

async function* parsed(body: unknown): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(JSON.stringify(body));
}

// RFC 9112 section 3.2: a target with a host in it overrides the header, and two slashes are a path. HTTP/1.0 needs no
// Host; there it is empty, because otherwise the URL, which is ours, would vouch for the request.
function splitTarget(target: string): { host?: string; path: string } {
  if (target.startsWith('/')) return { path: target };
  const { host, pathname, search } = new URL(target);
  return { host, path: pathname + search };
}
