import { listenOnLoopback } from '../loopback-server.ts';

/** The place to which the browser is sent back: a server of the client's own on loopback. */
export type CallbackListener = {
  /** `http://localhost:PORT/callback` (or 127.0.0.1). */
  redirectUri: string;
  /** The parameters of the next callback, also of one that has come already. */
  next(): Promise<URLSearchParams>;
  close(): Promise<void>;
};

const waitMs = 30_000;

/** Listens for callbacks on a free port. */
export async function listenForCallback(host: 'localhost' | '127.0.0.1' = 'localhost'): Promise<CallbackListener> {
  const arrived: URLSearchParams[] = [];
  let wake: (() => void) | undefined;
  const server = await listenOnLoopback((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    // Browsers ask for a favicon as well.
    if (url.pathname !== '/callback') return void response.writeHead(404).end();
    arrived.push(url.searchParams);
    wake?.();
    response
      .setHeader('content-type', 'text/html')
      .end('<!doctype html><title>Done</title><h1>Back at the client</h1>');
  });

  return {
    redirectUri: `http://${host}:${server.port}/callback`,
    async next() {
      if (arrived.length === 0) await untilWoken((resolve) => (wake = resolve));
      const params = arrived.shift();
      if (!params) throw new Error(`no callback within ${waitMs} ms`);
      return params;
    },
    close: server.close,
  };
}

function untilWoken(listen: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    listen(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
