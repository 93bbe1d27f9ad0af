import type { IncomingMessage, ServerResponse } from 'node:http';

/** Where Express and Koa keep the request target that their routers shorten. */
type RoutedMessage = IncomingMessage & { originalUrl?: string };

/**
 * Puts a Node.js request into web form, without its body. The URL is built on `origin`, never on the `Host` header,
 * which stays a header for the guard to judge. Repeated headers are kept, for Node.js itself would drop the second
 * `Authorization` in silence.
 *
 * @param target the request target, where a router has changed `message.url`
 * @throws TypeError when the request has no web form (method TRACE or target `*`, for example)
 */
export function webRequest(
  message: RoutedMessage,
  origin: string,
  target = message.originalUrl ?? message.url,
): Request {
  const headers = new Headers();
  const { rawHeaders } = message;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  const { host, path } = splitTarget(target ?? '', headers.get('host'));
  headers.set('host', host);
  return new Request(origin + path, { method: message.method ?? 'GET', headers });
}

/** Sends a small web response as the answer to a Node.js request. */
export async function sendResponse(response: Response, out: ServerResponse): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  out.statusCode = response.status;
  response.headers.forEach((value, name) => {
    out.setHeader(name, value);
  });
  out.end(body);
}

// RFC 9112 section 3.2: a target with a host in it overrides the header, and two slashes are a path. HTTP/1.0 needs no
// Host; there it is empty, because otherwise the URL, which is ours, would vouch for the request.
function splitTarget(target: string, header: string | null): { host: string; path: string } {
  if (target.startsWith('/')) return { host: header ?? '', path: target };
  const { host, pathname, search } = new URL(target);
  return { host, path: pathname + search };
}
