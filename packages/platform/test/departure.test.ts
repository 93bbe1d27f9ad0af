import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeparture, type Departure } from '../src/departure.ts';
import { type Listening, listen } from '../src/listen.ts';

describe('a process that is about to stop', () => {
  let departure: Departure;
  let listening: Listening;
  beforeEach(async () => {
    departure = createDeparture(0.05);
    const server = createServer((_request, response) => response.end('answered'));
    departure.watch(server);
    listening = await listen(server, { host: '127.0.0.1', port: 0, variable: 'PORT' });
  });
  afterEach(() => listening.close(0));

  const ask = () => fetch(`http://127.0.0.1:${listening.port}/`);

  test('answers as before until those in front have heard, and lets no connection be used again', async () => {
    expect(departure.isNear()).toBe(false);
    expect((await ask()).headers.get('connection')).toBe('keep-alive');
    const announced = departure.announce();
    expect(departure.isNear()).toBe(true);
    const answer = await ask();
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
    await announced;
  });

  test('goes at once where nobody is in front', async () => {
    const alone = createDeparture(0);
    await alone.announce();
    expect(alone.isNear()).toBe(false);
  });
});
