import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { createProcessMetrics, watchRequests } from '../src/watching.ts';

test('a target in which no route can be found is counted, and ends nothing (SP-38)', async () => {
  const metrics = createProcessMetrics();
  const watch = watchRequests(metrics);
  const server = createServer((req, res) => {
    void watch(
      { req, res },
      () => new URL(req.url ?? '').pathname,
      async () => void res.end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  for (const target of ['//', 'http://[', '*']) {
    const socket = connect(port, '127.0.0.1');
    socket.end(`OPTIONS ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 [24]00 /);
  }
  await new Promise((resolve) => server.close(resolve));
  expect(await metrics.text()).toMatch(/_count\{route="other",method="OPTIONS",status="2xx"\} [23]$/m);
});
