import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorCode } from './error-code.ts';
import { StartupError } from './startup-error.ts';

/** A server that accepts connections. */
export type Listening = {
  /** The port it got, also where 0 was asked for. */
  port: number;
  /** Takes no new connections, lets requests under way finish for at most `graceMs` (5,000 by default), then ends them. */
  close(graceMs?: number): Promise<void>;
};

const SWEEP_INTERVAL_MS = 50;

/** Where to listen, and which environment variable the operator would change. */
export type ListenOptions = { host: string; port: number; variable: string };

/**
 * How long an idle connection is kept, in milliseconds. A proxy keeps its own for up to 90 seconds and sends the next
 * request on one of them: it must never be us who ends it at that moment.
 *
 * @param trustedProxies how many proxies stand in front; clients of our own get 10 seconds
 */
export function idleConnectionMs(trustedProxies: number): number {
  return trustedProxies > 0 ? 100_000 : 10_000;
}

/**
 * Starts listening.
 * @throws {StartupError} when the port is taken, or the address is not this machine's.
 */
export async function listen(server: Server, options: ListenOptions): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new StartupError(explain(options, cause), { cause })));
    server.listen(options.port, options.host, resolve);
  });
  server.removeAllListeners('error');
  const { port } = server.address() as AddressInfo;
  return { port, close: (graceMs = 5000) => close(server, graceMs) };
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    // A connection on which a request was under way rests once that is answered, and Node.js looks for such only once.
    const sweeping = setInterval(() => server.closeIdleConnections(), SWEEP_INTERVAL_MS);
    server.close(() => {
      clearTimeout(timer);
      clearInterval(sweeping);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function explain({ host, port, variable }: ListenOptions, cause: unknown): string {
  const code = errorCode(cause);
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${host} is taken. Stop what listens there, or set ${variable} to another port.`;
  if (code === 'EACCES')
    return `Port ${port} on ${host} needs more rights than this process has. Set ${variable} to a port above 1023.`;
  return `Cannot listen on ${host}:${port} (${String(code)}). Check the address, or set ${variable} to another port.`;
}
