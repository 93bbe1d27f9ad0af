import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { expect, jest, test } from '@jest/globals';
import { quietTurn } from '../../src/statements/quiet-turn.ts';

/** As many events as turns, up to `last`. */
function eventsUntil(last: number) {
  let asked = 0;
  return jest.fn(() => Math.min(asked++, last));
}

test('a turn that brings nothing ends the wait at once', async () => {
  const events = eventsUntil(0);
  await quietTurn(60_000, events);
  expect(events).toHaveBeenCalledTimes(2);
});

test('turns that bring something are waited for, until one does not', async () => {
  const events = eventsUntil(5);
  await quietTurn(60_000, events);
  expect(events).toHaveBeenCalledTimes(7);
});

test('turns that never stop to bring something are not waited for longer than it takes', async () => {
  const events = eventsUntil(Number.POSITIVE_INFINITY);
  await quietTurn(0, events);
  expect(events).toHaveBeenCalledTimes(2);
});

test('what comes over a connection is such an event', async () => {
  const server = createServer((socket) => socket.end('something')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const before = performance.nodeTiming.uvMetricsInfo.events;
  await once(createConnection(address.port, '127.0.0.1'), 'data');
  expect(performance.nodeTiming.uvMetricsInfo.events).toBeGreaterThan(before);
  server.close();
});
