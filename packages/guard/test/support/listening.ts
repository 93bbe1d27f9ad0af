import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export type Listening = { origin: string; port: number; close(): Promise<void> };

/** Starts a server whose listener must know its own address, on a free loopback port. */
export async function listening(make: (resource: string) => Server | RequestListener): Promise<Listening> {
  const front = createServer();
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const { port } = front.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  const made = make(`${origin}/mcp`);
  front.on('request', (request, response) => {
    if (typeof made === 'function') made(request, response);
    else made.emit('request', request, response);
  });
  return {
    origin,
    port,
    async close() {
      front.closeAllConnections();
      await new Promise((resolve) => front.close(resolve));
    },
  };
}

/** Writes bytes that no HTTP client would, and gives the first line of the answer. The server must close. */
export async function statusLine(port: number, lines: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text.split('\r\n')[0] ?? '';
}
