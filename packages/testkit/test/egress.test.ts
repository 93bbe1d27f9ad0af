import { spawn } from 'node:child_process';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createEgress, type EgressNetwork, type EgressResult } from '@portcullis/authorization-server';
import { answerJson, answerStatus, type DocumentOrigin, startDocumentOrigin } from '../src/document-origin.ts';

const PUBLIC = [{ address: '93.184.215.14', family: 4 }];
const LOOPBACK: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }];

/** What a name answers that leads somewhere else than its owner says. */
const HOSTILE_ADDRESSES = [
  '127.0.0.1',
  '127.1.2.3',
  '0.0.0.0',
  '10.0.0.5',
  '100.64.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.168.1.1',
  '192.0.0.192',
  '198.18.0.1',
  '192.0.2.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '168.63.129.16',
  '::1',
  '::',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7f00:1',
  '2002:7f00:1::',
  '2001::1',
  '2001:db8::1',
  '3fff::1',
  '5f00::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%lo',
  'fec0::1',
  'ff02::1',
  '100::1',
];

/** URLs that must not be fetched whatever their host resolves to. `PORT` is where the socket listens. */
const HOSTILE_URLS = [
  'https://127.0.0.1:PORT/c',
  'https://127.1:PORT/c',
  'https://2130706433:PORT/c',
  'https://0x7f000001:PORT/c',
  'https://0x7f.1:PORT/c',
  'https://0177.0.0.1:PORT/c',
  'https://017700000001:PORT/c',
  'https://127.0.0.1.:PORT/c',
  'https://0:PORT/c',
  'https://0.0.0.0:PORT/c',
  'https://[::1]:PORT/c',
  'https://[::]:PORT/c',
  'https://[::ffff:127.0.0.1]:PORT/c',
  'https://[::ffff:7f00:1]:PORT/c',
  'https://[64:ff9b::7f00:1]:PORT/c',
  'https://[fe80::1%25lo]:PORT/c',
  'https://[0:0:0:0:0:ffff:127.0.0.1]:PORT/c',
  'https://①②⑦.⓪.⓪.①:PORT/c',
  'https://user@127.0.0.1:PORT/c',
  'https://client.example@127.0.0.1:PORT/c',
  'https://client.example:secret@client.example:PORT/c',
  'http://client.example:PORT/c',
  'http://127.0.0.1:PORT/c',
  'http://localhost:PORT/c',
  'ftp://client.example:PORT/c',
  'file:///etc/passwd',
  'data:application/json,{}',
  'gopher://127.0.0.1:PORT/_',
  'unix:/var/run/docker.sock',
  '//127.0.0.1:PORT/c',
  'https:///127.0.0.1:PORT/c',
  'https://169.254.169.254/latest/meta-data/',
  'https://client.example:1/c',
  'https://client.example:99999/c',
];

describe('AS-30: what this server fetches on the word of a stranger', () => {
  /** Stands for whatever listens inside the network: it only counts. */
  let inside: Server;
  let hits = 0;
  let port = 0;
  let origin: DocumentOrigin;

  beforeAll(async () => {
    inside = createServer((socket) => {
      hits += 1;
      socket.on('error', () => {});
      socket.destroy();
    });
    inside.listen(0, '127.0.0.1');
    await once(inside, 'listening');
    port = (inside.address() as AddressInfo).port;
    origin = await startDocumentOrigin(['client.example', 'other.example']);
  });

  afterAll(async () => {
    inside.close();
    await origin.close();
  });

  const at = (url: string) => url.replace('PORT', String(port));
  /** Real rules, and names that answer what the attacker wants; every connection would end at the inside socket. */
  const attacked = (lookup: () => Promise<LookupAddress[]>) =>
    createEgress({ timeoutMs: 1500, network: { lookup, port } });

  test('hostile URLs, whatever their host resolves to, connect to nothing', async () => {
    const before = hits;
    const egress = createEgress({
      ports: [port],
      timeoutMs: 1500,
      network: { lookup: async () => LOOPBACK, mayConnectTo: () => true },
    });
    // One port more is allowed and no address is refused, so the form of the URL alone decides.
    const stopped = HOSTILE_URLS.filter((url) => !url.startsWith('https://client.example:9'));
    for (const url of stopped) expect({ url, ...(await egress(at(url))) }).toEqual({ url, ok: false, failure: 'url' });
    expect(hits - before).toBe(0);
    expect(HOSTILE_URLS.length + HOSTILE_ADDRESSES.length).toBeGreaterThanOrEqual(40);

    // The same egress does connect where the form is right: the count above would have shown it.
    expect(await egress(at('https://client.example:PORT/c'))).toEqual({ ok: false, failure: 'network' });
    expect(hits - before).toBe(1);
  });

  test.each(HOSTILE_ADDRESSES)('a name that answers %s is not connected to', async (address) => {
    const before = hits;
    const family = address.includes(':') ? 6 : 4;
    const refused = { ok: false, failure: 'address' };
    expect(await attacked(async () => [{ address, family }])('https://client.example/c')).toEqual(refused);
    expect(await attacked(async () => [...PUBLIC, { address, family }])('https://client.example/c')).toEqual(refused);
    expect(hits - before).toBe(0);
  });

  test('a name that answers public first and private then is judged by the answer that is connected to', async () => {
    const before = hits;
    let asked = 0;
    const rebinding = async () => (asked++ === 0 ? PUBLIC : LOOPBACK);
    // Whoever looked before, to judge the name, was told a public address.
    expect(await rebinding()).toBe(PUBLIC);
    expect(await attacked(rebinding)('https://client.example/c')).toEqual({ ok: false, failure: 'address' });
    // One look-up for one fetch: there is no second answer that a connection could be made with.
    expect({ asked, hits: hits - before }).toEqual({ asked: 2, hits: 0 });
  });

  test('localhost, and names that are not there', async () => {
    const before = hits;
    const egress = createEgress({ ports: [port], timeoutMs: 1500 });
    for (const host of ['localhost', 'LOCALHOST'])
      expect(await egress(`https://${host}:${port}/c`)).toEqual({ ok: false, failure: 'address' });
    expect(await attacked(() => Promise.reject(new Error('ENOTFOUND')))('https://client.example/c')).toEqual({
      ok: false,
      failure: 'unresolved',
    });
    expect(hits - before).toBe(0);
  });

  test('without the check of addresses the socket would have been reached', async () => {
    const before = hits;
    const network: EgressNetwork = { lookup: async () => LOOPBACK, mayConnectTo: () => true, port };
    await createEgress({ network, timeoutMs: 1500 })('https://client.example/c');
    expect(hits - before).toBe(1);
  });

  /** Leads to the loopback origin; what it may connect to is not what is tested there. */
  const toOrigin = (): EgressNetwork => ({
    lookup: async () => LOOPBACK,
    mayConnectTo: () => true,
    port: origin.port,
    ca: origin.ca,
  });

  test('AS-29: a redirect is an answer, and is not followed', async () => {
    const before = hits;
    for (const status of [301, 302, 303, 307, 308]) {
      origin.set('https://client.example/c', answerStatus(status, { location: `https://127.0.0.1:${port}/` }));
      const result = await createEgress({ network: toOrigin() })('https://client.example/c');
      expect(statusOf(result)).toBe(status);
    }
    expect(hits - before).toBe(0);
  });

  test('5 KB and no more, whatever the length that is announced, and in time', async () => {
    const egress = createEgress({ network: toOrigin(), timeoutMs: 1000 });
    const url = 'https://client.example/c';
    origin.set(url, answerJson('x'.repeat(5 * 1024)));
    expect(statusOf(await egress(url))).toBe(200);
    origin.set(url, answerJson('x'.repeat(5 * 1024 + 1)));
    expect(await egress(url)).toEqual({ ok: false, failure: 'too_large' });
    origin.set(url, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('x'.repeat(100_000));
    });
    expect(await egress(url)).toEqual({ ok: false, failure: 'too_large' });
    origin.set(url, () => {});
    expect(await egress(url)).toEqual({ ok: false, failure: 'slow' });
    origin.set(url, (_request, response) => void response.writeHead(200).write('{'));
    expect(await egress(url)).toEqual({ ok: false, failure: 'slow' });
  });

  test('a certificate for another name, or of an unknown authority, is refused', async () => {
    expect(await createEgress({ network: toOrigin() })('https://elsewhere.example/c')).toEqual(networkFailure);
    const { ca: _ca, ...withoutAuthority } = toOrigin();
    expect(await createEgress({ network: withoutAuthority })('https://client.example/c')).toEqual(networkFailure);
  });

  test('no more than so many at once', async () => {
    const egress = createEgress({ network: toOrigin(), timeoutMs: 500, maxConcurrent: 2 });
    const url = 'https://client.example/hanging';
    origin.set(url, () => {});
    const results = await Promise.all([egress(url), egress(url), egress(url)]);
    expect(results.map((result) => !result.ok && result.failure)).toEqual(['slow', 'slow', 'busy']);
  });

  test('NODE_USE_ENV_PROXY=1 changes nothing: the proxy is not used, and no check is lost', async () => {
    const proxy = `http://127.0.0.1:${port}`;
    const run = async (unguarded: boolean) => {
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('./support/fetch-under-proxy.ts', import.meta.url))],
        {
          env: { PATH: process.env.PATH, NODE_USE_ENV_PROXY: '1', HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: '' },
          stdio: ['pipe', 'pipe', 'inherit'],
        },
      );
      child.stdin.end(JSON.stringify({ urls: ['https://localhost/c', 'https://LOCALHOST/d'], unguarded }));
      const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      return output
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).failure);
    };
    const before = hits;
    expect(await run(false)).toEqual(['address', 'address']);
    expect(hits - before).toBe(0);
    // Node's own fetch goes through that proxy: the socket that counts is the right one.
    await run(true);
    expect(hits - before).toBeGreaterThan(0);
  });
});

const networkFailure = { ok: false, failure: 'network' };

function statusOf(result: EgressResult): number | string {
  return result.ok ? result.answer.status : result.failure;
}
