import { createServer, type Server, type ServerResponse } from 'node:http';
import { CommandFailure } from './failure.ts';

/** Waits for the browser to come back from the server. */
export type CallbackListener = {
  redirectUri: string;
  /** The address that the browser was sent to, once it comes with the state of this sign-in. */
  answer(): Promise<URL>;
  close(): Promise<void>;
};

/** As long as the server keeps an unfinished sign-in. */
const PATIENCE_MS = 10 * 60 * 1000;

/** Listens on a loopback port that nobody knew before (RFC 8252 section 7.3). Foreign callbacks do not end the wait. */
export async function listenForCallback(state: string): Promise<CallbackListener> {
  const server = createServer();
  const port = await listen(server);
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  const came = new Promise<URL>((resolve) => {
    server.on('request', (request, response) => {
      // What is thrown here ends the program, and any page can make a browser ask for what is no URL, such as `//`.
      const url = URL.parse(request.url ?? '', redirectUri);
      if (url?.pathname !== '/callback' || url.searchParams.get('state') !== state) {
        say(response, 404, 'This is not the page of a sign-in.');
        return;
      }
      say(response, 200, 'You can close this window and go back to the terminal.');
      resolve(url);
    });
  });
  return {
    redirectUri,
    async answer() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(
          () => reject(new CommandFailure('refused', 'Nobody signed in within ten minutes.')),
          PATIENCE_MS,
        );
      });
      return Promise.race([came, late]).finally(() => clearTimeout(timer));
    },
    async close() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeIdleConnections();
      });
    },
  };
}

/** A redirect URI for a browser elsewhere: on a port that is free here, at which nobody listens. */
export async function unheardRedirectUri(): Promise<string> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/callback`;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  response.end(`${text}\n`);
}
