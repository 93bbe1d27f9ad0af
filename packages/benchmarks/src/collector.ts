import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Takes OTLP over HTTP and keeps nothing of it. */
export type Collector = { url: string; receivedBytes(): number; close(): void };

/** Starts one on a free loopback port. */
export async function startCollector(): Promise<Collector> {
  let bytes = 0;
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    receivedBytes: () => bytes,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
