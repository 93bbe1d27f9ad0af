import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Koa from 'koa';
import { createGuard, type Principal } from '../src/index.ts';
import { koaGuard } from '../src/koa.ts';
import { helloApp } from './examples/koa.ts';
import { helloServer } from './examples/node.ts';
import { helloFetch } from './examples/web.ts';
import { message } from './support/guarded.ts';
import { RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';
import { type Listening, listening, statusLine } from './support/listening.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());

describe.each([
  ['Node.js', helloServer],
  ['Koa', (url: string, resource: string) => helloApp(url, resource).callback()],
])('%s', (_name, make) => {
  let server: Listening;
  let token: string;
  beforeAll(async () => {
    server = await listening((resource) => make(issuer.url, resource));
    token = await issuer.sign({
      claims: { aud: `${server.origin}/mcp` },
      at: new Date(Math.floor(Date.now() / 1000) * 1000),
    });
  });
  afterAll(() => server.close());

  const call = (headers: Record<string, string> = {}, path = '/mcp') =>
    fetch(server.origin + path, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    });
  const raw = (...lines: string[]) => statusLine(server.port, lines);
  const host = () => `Host: 127.0.0.1:${server.port}`;
  const bearer = () => `Authorization: Bearer ${token}`;

  test('a good request reaches the handler, and a page of ours can read the answer', async () => {
    const response = await call({ origin: server.origin });
    expect([response.status, await response.text()]).toEqual([200, 'Hello, user-1']);
    expect(response.headers.get('access-control-allow-origin')).toBe(server.origin);
    expect(response.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate');
  });

  test('RS-14: no credentials get the challenge, and its URL has the metadata', async () => {
    const response = await fetch(`${server.origin}/mcp`);
    expect(response.status).toBe(401);
    const url = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1] ?? '';
    expect(await (await fetch(url)).json()).toMatchObject({ resource: `${server.origin}/mcp` });
  });

  test('a preflight is answered', async () => {
    expect((await fetch(`${server.origin}/mcp`, { method: 'OPTIONS' })).status).toBe(204);
  });

  test.each([
    ['a foreign Origin', { origin: 'https://evil.example' }, '/mcp', 403],
    ['Origin null', { origin: 'null' }, '/mcp', 403],
    ['a token in the query', {}, '/mcp?access_token=x', 400],
    ['a foreign token', { authorization: 'Bearer x.y.z' }, '/mcp', 401],
    ['another media type', { 'content-type': 'text/plain' }, '/mcp', 415],
  ])('refused: %s', async (_case, headers, path, status) => {
    expect((await call(headers, path)).status).toBe(status);
  });

  test('a foreign Host is refused, and a missing one', async () => {
    expect(await raw('GET /mcp HTTP/1.1', 'Host: evil.example', bearer(), 'Connection: close')).toMatch(/ 403 /);
    expect(await raw('GET /mcp HTTP/1.0', bearer())).toMatch(/ 403 /);
    expect(await raw('GET /mcp HTTP/1.1', host(), bearer(), 'Connection: close')).toMatch(/ 200 /);
  });

  test('a target with another host in it does not pass for ours', async () => {
    const good = [host(), bearer(), 'Connection: close'];
    expect(await raw('GET http://evil.example/.well-known/oauth-protected-resource HTTP/1.1', ...good)).toMatch(
      / 403 /,
    );
    expect(
      await raw('GET //evil.example/.well-known/oauth-protected-resource HTTP/1.1', host(), 'Connection: close'),
    ).toMatch(/ 401 /);
  });

  test('two Authorization headers are refused, though Node.js shows only the first', async () => {
    const second = 'Authorization: Bearer other';
    expect(await raw('GET /mcp HTTP/1.1', host(), bearer(), second, 'Connection: close')).toMatch(/ 400 /);
  });

  test('a body of unknown length is refused', async () => {
    const type = 'Content-Type: application/json';
    const lines = [host(), bearer(), type, 'Transfer-Encoding: chunked', 'Connection: close', '', '2', '{}', '0'];
    expect(await raw('POST /mcp HTTP/1.1', ...lines)).toMatch(/ 411 /);
  });

  test('a method without a web form is refused', async () => {
    expect(await raw('TRACE /mcp HTTP/1.1', host(), 'Connection: close')).toMatch(/ 400 /);
  });
});

test('RS-18: the web example asks for the scope that is missing', async () => {
  const answer = helloFetch(issuer.url, RESOURCE);
  const at = new Date(Math.floor(Date.now() / 1000) * 1000);
  const token = await issuer.sign({ at, claims: { scope: 'desk:read' } });
  const send = (body: string) => answer(new Request(message(token), { body }));
  expect(await (await send('{"read":1}')).text()).toBe('Hello, user-1');
  const refused = await send('{"write":1}');
  expect(refused.status).toBe(403);
  expect(refused.headers.get('www-authenticate')).toContain('scope="desk:read desk:write"');
});

test('RS-5: the metadata is found though a router has shortened the path', async () => {
  const server = await listening((resource) => {
    const app = new Koa<{ principal: Principal }>();
    app.use(async (ctx, next) => {
      ctx.url = '/';
      await next();
    });
    const scopes = { supported: [], baseline: [] };
    app.use(koaGuard(createGuard({ issuer: issuer.url, resource, scopes })));
    return app.callback();
  });
  try {
    expect((await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`)).status).toBe(200);
  } finally {
    await server.close();
  }
});
