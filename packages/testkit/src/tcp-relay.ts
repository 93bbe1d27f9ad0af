import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** Passes bytes on between whoever connects and a port of this machine, until the test says otherwise. */
export type TcpRelay = {
  port: number;
  /** `http://localhost:PORT`. */
  origin: string;
  /** Where new connections lead. */
  leadTo(port: number): void;
  /** From now on nothing passes, though all sockets stay open and new ones are accepted: a black hole. */
  swallow(): void;
  /** Lets new connections through again. What was swallowed stays lost, and so do its connections. */
  heal(): void;
  /** Breaks every connection that is open. */
  cut(): void;
  /** How many connections are open to a port. */
  connectionsTo(port: number): number;
  close(): Promise<void>;
};

/** Starts a relay on a free loopback port; it leads nowhere before `leadTo`. */
export async function startTcpRelay(): Promise<TcpRelay> {
  let target = 0;
  let swallowing = false;
  const pairs = new Set<{ port: number; inner: Socket | undefined; outer: Socket; lost: boolean }>();

  const server = createServer((outer) => {
    const inner = swallowing ? undefined : connect(target, '127.0.0.1');
    const pair = { port: target, inner, outer, lost: swallowing };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      outer.destroy();
      inner?.destroy();
    };
    for (const [from, to] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      from?.on('error', end);
      from?.on('close', end);
      from?.on('data', (bytes) => pair.lost || to?.write(bytes));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const { outer } of pairs) outer.destroy();
  };

  return {
    port,
    origin: `http://localhost:${port}`,
    leadTo(next) {
      target = next;
    },
    swallow() {
      swallowing = true;
      for (const pair of pairs) pair.lost = true;
    },
    heal() {
      swallowing = false;
    },
    cut,
    connectionsTo: (wanted) => [...pairs].filter((pair) => pair.port === wanted).length,
    close() {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
