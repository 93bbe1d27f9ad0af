import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below what Linux, macOS and Windows hand out to connections and to servers that ask for any port. */
const LOWEST = 12_000;
const HIGHEST = 32_000;

/** Finds a port of 127.0.0.1, 12000 to 31999, that nobody listens on, and that nobody is likely to be given before it is used. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
