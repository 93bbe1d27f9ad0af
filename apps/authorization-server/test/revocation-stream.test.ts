import { getEventListeners } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { FeedNews } from '../src/revocation/revocation-feed.ts';
import { streamRevocations } from '../src/revocation/revocation-stream.ts';

const RESOURCE = 'https://mcp.example/mcp';

test('a stream whose client may not listen any more is told nothing more, also where that client reads nothing', async () => {
  const listeners = new Set<(news: FeedNews) => void>();
  const mayListen = Promise.withResolvers<boolean>();
  const faults: unknown[] = [];
  const { signal } = new AbortController();
  const opened = Promise.withResolvers<ServerResponse>();
  const server = createServer((_request, response) => {
    response.on('error', (cause) => faults.push(cause));
    const stream = { response, resource: RESOURCE, resumeAt: undefined, signal };
    const ended = streamRevocations(
      { ...stream, mayListen: () => mayListen.promise },
      {
        feed: {
          subscribe: async (listener) => {
            listeners.add(listener);
            return { watermark: 0n, unsubscribe: () => void listeners.delete(listener) };
          },
          close: () => undefined,
        },
        log: { ...UNUSED_LOG, list: async () => [] },
        clock: () => new Date(),
      },
    );
    ended.catch((cause) => faults.push(cause));
    opened.resolve(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1').pause();
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  try {
    const response = await opened.promise;
    while (listeners.size === 0 || response.writableLength === 0) {
      tell(listeners);
      await nextTurn();
    }
    mayListen.resolve(false);
    await nextTurn();
    expect(response.writableEnded).toBe(true);
    tell(listeners);
    await nextTurn();
    expect(faults).toEqual([]);
    expect(listeners.size).toBe(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  } finally {
    client.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const UNUSED_LOG = {
  watermark: () => Promise.reject(new Error('not asked for')),
  readFrom: () => Promise.reject(new Error('not asked for')),
  covers: () => Promise.reject(new Error('not asked for')),
};

/** More than a little, so that what the client does not read is soon kept here. */
function tell(listeners: Iterable<(news: FeedNews) => void>): void {
  const grantId = 'g'.repeat(200_000);
  const revocation = { id: 'r', position: 1n, grantId, resource: RESOURCE, issuedUntil: undefined };
  for (const listener of listeners) listener({ revocations: [revocation], watermark: 1n });
}
