import type { RequestListener, Server } from 'node:http';
import { connect } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler } from '@modelcontextprotocol/server';
import express from 'express';
import { expressGuard } from '../src/express.ts';
import { createGuard } from '../src/index.ts';
import { mcpHandler } from '../src/mcp-sdk.ts';
import { nodeGuard, nodeHandler } from '../src/node.ts';
import { declarations, desk } from './examples/desk.ts';
import { expressApp } from './examples/protect-express.ts';
import { fetchServer } from './examples/protect-fetch.ts';
import { honoApp } from './examples/protect-hono.ts';
import { koaApp } from './examples/protect-koa.ts';
import { nodeServer } from './examples/protect-node.ts';
import { collectGarbage } from './support/collect-garbage.ts';
import { startIssuer, type TestIssuer } from './support/issuer.ts';
import { type Listening, listening, statusLine } from './support/listening.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());

const present = () => new Date(Math.floor(Date.now() / 1000) * 1000);

/** As the README shows them; those that serve other paths too have one more. */
const SERVERS: [name: string, make: (url: string, resource: string) => Server | RequestListener, next: number][] = [
  ['Node.js', nodeServer, 404],
  [
    'Express 5',
    (url, resource) => expressApp(url, resource).use((_request, response) => void response.end('next')),
    200,
  ],
  [
    'Koa',
    (url, resource) =>
      koaApp(url, resource)
        .use((context) => {
          context.body = 'next';
        })
        .callback(),
    200,
  ],
  [
    'Hono',
    (url, resource) => getRequestListener(honoApp(url, resource).get('/other', (c) => c.text('next')).fetch),
    200,
  ],
  ['fetch', (url, resource) => getRequestListener(fetchServer(url, resource).fetch), 404],
];

describe.each(SERVERS)('an MCP server behind the guard, on %s', (_name, make, next) => {
  let server: Listening;
  let token: string;
  beforeAll(async () => {
    server = await listening((resource) => make(issuer.url, resource));
    token = await sign('desk:read');
  });
  afterAll(() => server.close());

  const sign = (scope: string) => issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp`, scope } });

  async function connected(mode: 'auto' | 'legacy', credentials = token): Promise<Client> {
    const requestInit = { headers: { authorization: `Bearer ${credentials}` } };
    const client = new Client({ name: 'test', version: '1' }, mode === 'auto' ? { versionNegotiation: { mode } } : {});
    await client.connect(new StreamableHTTPClientTransport(new URL(`${server.origin}/mcp`), { requestInit }));
    return client;
  }

  const post = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${server.origin}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${token}`,
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const call = (name: string) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } });

  test.each(['auto', 'legacy'] as const)(
    'TR-21 the SDK’s client (%s) lists what its token may know of, calls it, and is who the token says',
    async (mode) => {
      const client = await connected(mode);
      try {
        expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['whoami', 'close_ticket']);
        expect(await client.callTool({ name: 'whoami' })).toMatchObject({
          content: [{ type: 'text', text: 'client-1: desk:read' }],
        });
        await expect(client.callTool({ name: 'export_customers' })).rejects.toMatchObject({ code: -32602 });
      } finally {
        await client.close();
      }
    },
  );

  test('with more scopes it may do more', async () => {
    const client = await connected('auto', await sign('desk:write'));
    try {
      expect(await client.callTool({ name: 'close_ticket', arguments: { id: '7' } })).toMatchObject({
        content: [{ text: 'closed 7' }],
      });
    } finally {
      await client.close();
    }
  });

  test('RS-14, RS-4 without a token there is a challenge, and its URL has the metadata', async () => {
    const response = await fetch(`${server.origin}/mcp`);
    expect(response.status).toBe(401);
    const url = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1] ?? '';
    expect(await (await fetch(url)).json()).toMatchObject({
      resource: `${server.origin}/mcp`,
      scopes_supported: ['desk:read'],
    });
  });

  test('RS-18 a scope that is missing is asked for', async () => {
    const response = await post(call('close_ticket'));
    expect(response.status).toBe(403);
    expect(response.headers.get('www-authenticate')).toContain('scope="desk:read desk:write"');
  });

  // What serves fetch ends the connection of a body that nobody read: no other request may come on it.
  const alone = { connection: 'close' };
  test.each<[title: string, body: string, headers: Record<string, string>, status: number]>([
    ['TR-1 a foreign Origin', '{}', { origin: 'https://evil.example' }, 403],
    ['TR-6 another media type', '{}', { 'content-type': 'text/plain' }, 415],
    ['TR-6 a body over the limit', JSON.stringify({ padding: 'x'.repeat(1024 * 1024) }), alone, 413],
    ['TR-27 a batch', '[]', {}, 400],
    ['no JSON', '{', {}, 400],
    ['a token of somebody else', '{}', { authorization: 'Bearer x.y.z' }, 401],
  ])('refused: %s', async (_title, body, headers, status) => {
    expect((await post(body, headers)).status).toBe(status);
  });

  test('TR-6 a body that does not announce its length is counted', async () => {
    const body = new Blob([' '.repeat(1024 * 1024 + 1)]).stream();
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...alone };
    const init = { method: 'POST', body, duplex: 'half', headers };
    expect((await fetch(`${server.origin}/mcp`, init)).status).toBe(413);
  });

  test('TR-4 a foreign Host is refused', async () => {
    const lines = ['GET /mcp HTTP/1.1', 'Host: evil.example', `Authorization: Bearer ${token}`, 'Connection: close'];
    expect(await statusLine(server.port, lines)).toMatch(/ 403 /);
  });

  test('a method without a web form does no harm', async () => {
    const lines = ['TRACE /mcp HTTP/1.1', `Host: 127.0.0.1:${server.port}`, 'Connection: close'];
    expect(await statusLine(server.port, lines)).toMatch(/ 4\d\d /);
  });

  test('TR-20 GET and DELETE are the server’s to answer', async () => {
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
      expect((await fetch(`${server.origin}/mcp`, { method, headers })).status).toBe(405);
    }
  });

  test('TR-7 a stream is not kept back by proxies', async () => {
    const response = await post({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    await response.body?.cancel();
  });

  test('another path is left to what else is served', async () => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${server.origin}/other`, { headers });
    if (next === 200) expect([response.status, await response.text()]).toEqual([200, 'next']);
    else expect(response.ok).toBe(false);
  });
});

test('Express: what a body parser has read is judged all the same', async () => {
  const server = await listening((resource) => {
    const guard = createGuard({ issuer: issuer.url, resource, declarations });
    const app = express().use(express.json());
    return app.use(expressGuard(guard, mcpHandler(guard, createMcpHandler(desk))));
  });
  try {
    const token = await issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp`, scope: 'desk:read' } });
    const send = (name: string) =>
      fetch(`${server.origin}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${token}`,
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } }),
      });
    expect((await send('close_ticket')).status).toBe(403);
    expect(await (await send('whoami')).text()).toContain('client-1');
    expect(await (await send('export_customers')).text()).toContain('-32602');
  } finally {
    await server.close();
  }
});

test('SP-27 a fault of the handler is a 500 without a word about it, and told to the log', async () => {
  const told: unknown[] = [];
  const fault = new Error('secret detail');
  const server = await listening((resource) => {
    const guard = createGuard({ issuer: issuer.url, resource, scopes: { baseline: [] } });
    return nodeHandler(
      guard,
      () => {
        throw fault;
      },
      { onFault: (cause) => told.push(cause) },
    );
  });
  try {
    const token = await issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp` } });
    const response = await fetch(`${server.origin}/mcp`, { headers: { authorization: `Bearer ${token}` } });
    expect([response.status, await response.text()]).toEqual([500, '']);
    expect(told).toEqual([fault]);
  } finally {
    await server.close();
  }
});

test('a GET with a body is no message, and no fault either, with declarations or without', async () => {
  const told: unknown[] = [];
  for (const options of [{}, { declarations }]) {
    const server = await listening((resource) => {
      const guard = createGuard({ issuer: issuer.url, resource, scopes: { baseline: [] }, ...options });
      return nodeHandler(guard, () => new Response('reached'), { onFault: (cause) => told.push(cause) });
    });
    try {
      const token = await issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp` } });
      const head = [`Host: 127.0.0.1:${server.port}`, `Authorization: Bearer ${token}`, 'Connection: close'];
      expect(await statusLine(server.port, ['GET /mcp HTTP/1.1', ...head, 'Content-Length: 1', '', 'x'])).toMatch(
        / 400 /,
      );
      expect(await statusLine(server.port, ['GET /mcp HTTP/1.1', ...head])).toMatch(/ 200 /);
    } finally {
      await server.close();
    }
  }
  expect(told).toEqual([]);
});

test('a message whose client goes away before its end reaches nobody, however whole it looks', async () => {
  const outcome = Promise.withResolvers<'a fault' | 'the handler'>();
  const server = await listening((resource) => {
    const guard = createGuard({ issuer: issuer.url, resource, declarations, scopes: { baseline: [] } });
    const handler = () => {
      outcome.resolve('the handler');
      return new Response();
    };
    return nodeHandler(guard, handler, { onFault: () => outcome.resolve('a fault') });
  });
  try {
    const token = await issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp` } });
    const socket = connect(server.port, '127.0.0.1');
    const head = [
      'POST /mcp HTTP/1.1',
      `Host: 127.0.0.1:${server.port}`,
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      'Content-Length: 1000',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping"}`, () => socket.destroy());
    expect(await outcome.promise).toBe('a fault');
  } finally {
    await server.close();
  }
});

test('a handler is told when its client goes away, and a subscription ends with its token (RS-26)', async () => {
  const resource = 'https://mcp.example.com/mcp';
  const guard = createGuard({ issuer: issuer.url, resource, declarations, now: () => soon });
  let signal: AbortSignal | undefined;
  const handler = mcpHandler(guard, {
    async fetch(request) {
      signal = request.signal;
      return new Response(new ReadableStream());
    },
  });
  const soon = new Date(present().getTime() + 304_950);
  const token = await issuer.sign({ at: present(), claims: { exp: present().getTime() / 1000 + 300 } });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications: {} } });
  expect((await guard.protect(new Request(resource, { method: 'POST', headers, body }), handler)).status).toBe(200);
  const ended = signal;
  if (ended === undefined) throw new Error('the handler was not reached');
  await new Promise((resolve) => ended.addEventListener('abort', resolve));
  expect(ended.aborted).toBe(true);
});

test('a handler that keeps nothing but the signal of its request is told when its client goes away', async () => {
  const signals: AbortSignal[] = [];
  const server = await listening((resource) => {
    const guard = createGuard({ issuer: issuer.url, resource, declarations, scopes: { baseline: [] } });
    return nodeHandler(guard, (request) => {
      signals.push(request.signal);
      return new Response(new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1)) }), {
        headers: { 'content-type': 'text/event-stream' },
      });
    });
  });
  const client = new AbortController();
  try {
    const url = `${server.origin}/mcp`;
    const token = await issuer.sign({ at: present(), claims: { aud: url } });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    const answer = await fetch(url, { method: 'POST', headers, body, signal: client.signal });
    const over = new Promise((resolve) => signals[0]?.addEventListener('abort', resolve));
    await collectGarbage();
    // An answer that nobody holds would be given up by its client.
    expect([answer.status, signals.map(({ aborted }) => aborted)]).toEqual([200, [false]]);
    client.abort();
    await over;
  } finally {
    await server.close();
  }
});

test('a guard with declarations is not put where it could not judge messages', () => {
  const guard = createGuard({ issuer: issuer.url, resource: 'https://mcp.example.com/mcp', declarations });
  expect(() => nodeGuard(guard)).toThrow(TypeError);
});
