import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TokenProxy } from '../src/conformance/token-proxy.ts';
import { startTokenProxy } from '../src/conformance/token-proxy.ts';
import type { LoopbackServer } from '../src/loopback-server.ts';
import { listenOnLoopback } from '../src/loopback-server.ts';
import { pollUntil } from '../src/poll.ts';
import { sendRaw } from '../src/raw-request.ts';

describe('the token-adding proxy', () => {
  let proxy: TokenProxy;
  let target: LoopbackServer;
  let openStreams = 0;

  beforeEach(async () => {
    proxy = await startTokenProxy();
    target = await listenOnLoopback((request, response) => {
      if (request.url === '/stream') {
        openStreams++;
        response.on('close', () => openStreams--);
        return void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
      }
      response
        .writeHead(418)
        .end(JSON.stringify({ url: request.url, method: request.method, headers: request.headers }));
    });
  });

  afterEach(async () => {
    await proxy.close();
    await target.close();
  });

  it('answers 502 before it knows where to', async () => {
    expect((await sendRaw(proxy.origin)).status).toBe(502);
  });

  it('adds the token and leaves Host, Origin, path, method and status alone', async () => {
    proxy.forwardTo({ port: target.port, token: () => 'secret' });
    const headers = { host: 'evil.example.com', origin: 'http://evil.example.com', authorization: 'Basic x' };
    const answer = await sendRaw(`${proxy.origin}/mcp?a=b`, { headers, body: 'x' });
    expect(answer.status).toBe(418);
    expect(JSON.parse(answer.text)).toMatchObject({
      url: '/mcp?a=b',
      method: 'POST',
      headers: { host: 'evil.example.com', origin: 'http://evil.example.com', authorization: 'Bearer secret' },
    });
  });

  it('ends the stream behind it when the client leaves', async () => {
    proxy.forwardTo({ port: target.port, token: () => 'secret' });
    const leaving = new AbortController();
    const response = await fetch(`${proxy.origin}/stream`, { signal: leaving.signal });
    expect(response.status).toBe(200);
    expect(openStreams).toBe(1);
    leaving.abort();
    await pollUntil(() => openStreams === 0, { what: 'the end of the stream' });
  });
});
