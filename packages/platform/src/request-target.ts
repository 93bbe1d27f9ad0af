import type { RequestListener } from 'node:http';

/**
 * Gives a listener requests whose target is a path alone. A client may send a whole URL (RFC 9112, section 3.2.2): then the
 * host there stands in place of the header's. A target in which nobody can read a path is answered 400, as one is that Node.js
 * cannot read: frameworks take it for a path, and what they throw then ends the process.
 */
export function withReadableTarget(listener: RequestListener): RequestListener {
  return (request, response) => {
    const target = readTarget(request.url ?? '');
    if (!target) {
      response.writeHead(400, { Connection: 'close' }).end();
      return;
    }
    request.url = target.path;
    if (target.host !== undefined) request.headers.host = target.host;
    listener(request, response);
  };
}

function readTarget(target: string): { path: string; host?: string } | undefined {
  // `*` is for the server as a whole (section 3.2.4); it has no page, and is as good as a path to nothing.
  if (target.startsWith('/') || target === '*') return { path: target };
  if (!/^https?:/i.test(target) || !URL.canParse(target)) return undefined;
  const { host, pathname, search } = new URL(target);
  return { host, path: `${pathname}${search}` };
}
