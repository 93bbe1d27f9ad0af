import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Secret, StartupError } from '@portcullis/platform';
import { findFreePort } from '@portcullis/test-database';
import { z } from 'zod';
import { createMcpServer } from '../src/server.ts';
import { defineTool } from '../src/tools/tool.ts';
import { startDesk, type TestDesk } from './support/desk.ts';
import { call, post } from './support/messages.ts';
import { silentLogger } from './support/silent-logger.ts';

let desk: TestDesk;
const page = 'https://app.example.com';
/** A port that only root could listen on, and nobody does; a port that was merely free may be taken a moment later. */
const NOBODY = 'http://127.0.0.1:1';

beforeAll(async () => {
  desk = await startDesk({ config: { allowedOrigins: [page] } });
});

afterAll(() => desk.close());

const at = (path: string, init?: RequestInit) => fetch(new URL(path, desk.url), init);

describe('before there is a token', () => {
  test('RS-14 a bare request gets a challenge that leads to the metadata', async () => {
    const answer = await post(desk, { body: '{}' });
    expect(answer.status).toBe(401);
    const challenge = answer.headers.get('www-authenticate') ?? '';
    expect(challenge).not.toContain('error=');
    expect(challenge).toContain('scope="desk:read"');
    const [, url = ''] = /resource_metadata="([^"]+)"/.exec(challenge) ?? [];
    const metadata = await (await fetch(url)).json();
    expect(metadata).toMatchObject({ resource: desk.url, authorization_servers: [desk.issuer.url] });
  });

  test.each(['/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource'])(
    'the metadata is at %s, for pages too',
    async (path) => {
      const response = await at(path, { headers: { origin: 'https://anywhere.example' } });
      expect(response.status).toBe(200);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(await response.json()).toMatchObject({ resource: desk.url, scopes_supported: ['desk:read'] });
    },
  );

  test("AS-45 a copy of the issuer's metadata is where the oldest clients look", async () => {
    const response = await at('/.well-known/oauth-authorization-server');
    expect(await response.json()).toMatchObject({ issuer: desk.issuer.url });
  });
});

describe('a page in a browser', () => {
  test('of an allowed origin may ask first, without a token, and read the challenge', async () => {
    const headers = {
      origin: page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const preflight = await fetch(desk.url, { method: 'OPTIONS', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(page);
    const answer = await post(desk, { body: '{}', headers: { origin: page } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate');
  });

  test('gets CORS headers on results and on the step-up challenge as well', async () => {
    const token = await desk.token('desk:read');
    for (const name of ['whoami', 'reply_to_ticket']) {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } });
      const answer = await post(desk, { token, body, headers: { origin: page } });
      expect(answer.headers.get('access-control-allow-origin')).toBe(page);
    }
  });

  test.each(['https://evil.example', 'null', 'https://app.example.com.evil.example'])(
    'TR-1 of the foreign origin %s is refused, also with a good token',
    async (origin) => {
      const answer = await post(desk, { token: await desk.token('desk:read'), body: '{}', headers: { origin } });
      expect(answer.status).toBe(403);
    },
  );
});

describe('tokens that are not for this server', () => {
  test.each<[string, (desk: TestDesk) => Promise<string>]>([
    ['another audience', ({ issuer }) => issuer.token('http://127.0.0.1:1/mcp')],
    ['a longer audience', ({ issuer, url }) => issuer.token(`${url}/`)],
    ['expired', ({ token }) => token('desk:read', { exp: Math.floor(Date.now() / 1000) - 60 })],
    ['not valid yet', ({ token }) => token('desk:read', { nbf: Math.floor(Date.now() / 1000) + 60 })],
    ['another issuer', ({ token }) => token('desk:read', { iss: 'https://other.example' })],
    ['roles that are no list', ({ token }) => token('desk:read', { roles: 'lead' })],
  ])('RS-24 %s: 401, and no data', async (_title, make) => {
    const answer = await call(desk, { token: await make(desk), name: 'search_tickets' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(answer.message.result).toBeUndefined();
  });

  test('RS-27 in the query: refused', async () => {
    const response = await at(`/mcp?access_token=${await desk.token('desk:read')}`, { method: 'POST', body: '{}' });
    expect(response.status).toBe(400);
  });
});

describe('health', () => {
  test('healthz and readyz', async () => {
    expect((await at('/healthz')).status).toBe(200);
    expect((await at('/readyz')).status).toBe(200);
    expect((await at('/healthz', { method: 'HEAD' })).status).toBe(200);
  });

  test('it starts without its authorization server, is up but not ready, and never answers 401 for that', async () => {
    const lonely = await startDesk({ config: { issuer: NOBODY } });
    try {
      expect((await fetch(new URL('/healthz', lonely.url))).status).toBe(200);
      const ready = await fetch(new URL('/readyz', lonely.url));
      expect(ready.status).toBe(503);
      expect(await ready.json()).toEqual({ status: 'not ready', failing: ['keys'] });
      const answer = await call(lonely, { token: await lonely.token('desk:read'), name: 'whoami' });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    } finally {
      await lonely.close();
    }
  });

  test('it is not ready while it takes no token, because nothing was heard of revocations for too long', async () => {
    let now = Date.now();
    const deaf = await startDesk({
      config: { clientSecret: new Secret('s'.repeat(32)), failClosedAfterSeconds: 6 },
      deps: { now: () => new Date(now) },
    });
    const ready = () => fetch(new URL('/readyz', deaf.url));
    try {
      expect((await ready()).status).toBe(200);
      now += 7000;
      const answer = await ready();
      expect([answer.status, await answer.json()]).toEqual([503, { status: 'not ready', failing: ['revocations'] }]);
    } finally {
      await deaf.close();
    }
  });
});

describe('a start that cannot work says why', () => {
  const deps = { logger: silentLogger, now: () => new Date() };

  test('RS-22 a tool without scopes', async () => {
    const tool = { ...openTool(), scopes: [] };
    const start = createMcpServer({ ...desk.config, port: 0 }, { ...deps, tools: [tool] });
    await expect(start).rejects.toThrow(StartupError);
    await expect(start).rejects.toThrow(/^Tool open declares no scopes/);
  });

  test('the port is taken; the folder is free again afterwards', async () => {
    const { dataDir } = desk.config;
    const config = { ...desk.config, dataDir: `${dataDir}/other` };
    await expect(createMcpServer(config, deps)).rejects.toThrow(/Port \d+ .* PORTCULLIS_MCP_PORT/);
    const second = await createMcpServer({ ...config, port: 0 }, deps);
    await second.close();
  });

  test('the database is away; its URL is not told', async () => {
    const databaseUrl = new Secret(`postgresql://desk:hunter2@127.0.0.1:${await findFreePort()}/desk`);
    const start = createMcpServer({ ...desk.config, port: 0, databaseUrl }, deps);
    await expect(start).rejects.toThrow(/ECONNREFUSED.*PORTCULLIS_MCP_DATABASE_URL/);
    await expect(start).rejects.not.toThrow(/hunter2/);
  });
});

function openTool() {
  return defineTool({
    name: 'open',
    title: 'Open',
    description: 'Open to all.',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    scopes: 'any-valid-token',
    input: z.strictObject({}),
    output: z.strictObject({}),
    run: async () => ({ ok: true, value: {} }),
  });
}
