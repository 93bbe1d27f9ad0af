import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { mcpServer } from './examples/mcp-sdk-v1.ts';
import { bearerApp } from './examples/mcp-sdk-v1-express.ts';
import { startIssuer, type TestIssuer } from './support/issuer.ts';
import { type Listening, listening } from './support/listening.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());

const present = () => new Date(Math.floor(Date.now() / 1000) * 1000);

describe('an SDK v1 server behind the Node.js adapter', () => {
  let server: Listening;
  beforeAll(async () => {
    server = await listening((resource) => mcpServer(issuer.url, resource));
  });
  afterAll(() => server.close());

  async function connected(token: string | undefined): Promise<Client> {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const transport = new StreamableHTTPClientTransport(new URL(`${server.origin}/mcp`), { requestInit: { headers } });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(transport as Parameters<typeof client.connect>[0]);
    return client;
  }

  test('an SDK v1 client with a token calls a tool, which learns who calls', async () => {
    const client = await connected(await issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp` } }));
    try {
      expect(await client.callTool({ name: 'whoami' })).toMatchObject({
        content: [{ type: 'text', text: 'client-1: desk:read desk:write' }],
      });
    } finally {
      await client.close();
    }
  });

  test.each([
    ['none', async () => undefined],
    ['one for another server', () => issuer.sign({ at: present(), claims: { aud: 'https://other.example/mcp' } })],
  ])('a client with no good token does not connect: %s', async (_name, token) => {
    await expect(connected(await token())).rejects.toMatchObject({ code: 401 });
  });
});

describe('requireBearerAuth with our verifier', () => {
  let server: Listening;
  beforeAll(async () => {
    server = await listening((resource) => bearerApp(issuer.url, resource));
  });
  afterAll(() => server.close());

  const post = (token: string) =>
    fetch(`${server.origin}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  const sign = (claims = {}) => issuer.sign({ at: present(), claims: { aud: `${server.origin}/mcp`, ...claims } });

  test('lets a good token in, without showing it', async () => {
    expect(await (await post(await sign())).json()).toEqual({ caller: 'client-1' });
  });

  test.each([
    ['another audience', { aud: 'https://other.example/mcp' }],
    ['another issuer', { iss: 'https://other.example' }],
    ['expired', { exp: 1_000_000_000 }],
  ])('answers 401 with the metadata URL: %s', async (_name, claims) => {
    const response = await post(await sign(claims));
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain(
      `resource_metadata="${server.origin}/.well-known/oauth-protected-resource/mcp"`,
    );
  });

  test('does not say 401 while keys cannot be had', async () => {
    const away = await startIssuer();
    away.interfere((_request, response) => {
      response.writeHead(500).end();
      return true;
    });
    const front = await listening((resource) => bearerApp(away.url, resource));
    try {
      const token = await away.sign({ at: present() });
      const headers = { authorization: `Bearer ${token}` };
      expect((await fetch(`${front.origin}/mcp`, { method: 'POST', headers })).status).toBe(400);
    } finally {
      await Promise.all([front.close(), away.close()]);
    }
  });
});
