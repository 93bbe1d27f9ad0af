import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { exchange } from '../src/scenarios/http-exchange.ts';

let close: (() => void) | undefined;
afterEach(() => close?.());

/** A server that answers the first `answered` requests of each connection, and closes it at the next one. */
async function closingAfter(answered: number): Promise<URL> {
  const requests = new WeakMap<object, number>();
  const server = createServer(({ socket }, response) => {
    const before = requests.get(socket) ?? 0;
    requests.set(socket, before + 1);
    if (before < answered) response.end('answer');
    else socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

test('a connection that was closed between two requests is replaced', async () => {
  const url = await closingAfter(1);
  for (let i = 0; i < 3; i++) expect(await exchange({ url, body: '' })).toMatchObject({ status: 200, text: 'answer' });
});

test('a server that closes new connections is not asked for ever', async () => {
  const url = await closingAfter(0);
  await expect(exchange({ url, body: '' })).rejects.toMatchObject({ code: 'ECONNRESET' });
});
