import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createEgress } from '../src/egress/egress.ts';
import { isNamedServersAddress } from '../src/egress/public-address.ts';

describe('SP-32 a server that the operator named', () => {
  test.each([
    ['93.184.215.14', true, true],
    ['10.1.2.3', true, true],
    ['192.168.1.1', true, true],
    ['fd12::1', true, true],
    ['127.0.0.1', false, true],
    ['::1', false, true],
    ['::ffff:127.0.0.1', false, true],
    ['169.254.169.254', false, false],
    ['::ffff:169.254.169.254', false, false],
    ['fd00:ec2::254', false, false],
    ['fd20:ce::254', false, false],
    ['168.63.129.16', false, false],
    ['0.0.0.0', false, false],
    ['fe80::1', false, false],
    ['no address', false, false],
  ])('%s is reached: %s; by a server on loopback: %s', (address, elsewhere, onLoopback) => {
    expect(isNamedServersAddress(address, { loopback: false })).toBe(elsewhere);
    expect(isNamedServersAddress(address, { loopback: true })).toBe(onLoopback);
  });

  let server: Server;
  let origin: string;
  let received: string[];
  beforeAll(async () => {
    received = [];
    server = createServer((request, response) => {
      received.push(`${request.method} ${request.url}`);
      response.writeHead(307, { location: `${origin}/elsewhere` }).end('moved');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  const egressTo = (loopback: boolean) =>
    createEgress({
      trusted: { origins: [origin], mayConnectTo: (address) => isNamedServersAddress(address, { loopback }) },
    });

  test('is reached at its own origin only, and its redirects are not followed', async () => {
    const egress = egressTo(true);
    const result = await egress(`${origin}/token`, { method: 'POST', body: 'a=b' });
    expect(result).toMatchObject({ ok: true, answer: { status: 307 } });
    expect(received.splice(0)).toEqual(['POST /token']);
    for (const url of [origin.replace('127.0.0.1', 'localhost'), 'http://127.0.0.1:1/', 'https://localhost/']) {
      expect((await egress(url)).ok).toBe(false);
    }
    expect(received).toEqual([]);
  });

  test('on loopback is not reached by a server that is elsewhere, though it is written as an address', async () => {
    expect(await egressTo(false)(`${origin}/token`)).toEqual({ ok: false, failure: 'address' });
    expect(received).toEqual([]);
  });
});
