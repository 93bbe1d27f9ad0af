import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { createAuditLog, createPersonalAccessTokenStore } from '@portcullis/persistence';
import { findFreePort, pollUntil, readToken } from '../../src/index.ts';
import { listenOnLoopback } from '../../src/loopback-server.ts';
import { startServerProcess } from '../../src/server-process.ts';
import { act } from './support/account.ts';
import { adminTokens } from './support/administration.ts';
import { targetOf } from './support/authorization.ts';
import { type ServersWithDesk, startServersWithDesk } from './support/desk-beside.ts';
import { callTool, listTools } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';
import { type Holder, makeToken, newHolder } from './support/personal-access-tokens.ts';
import { MCP_SERVER } from './support/replica.ts';

const SECRET = { PORTCULLIS_MCP_CLIENT_SECRET: 'a secret of the desk: 43 characters and more' };

let servers: ServersWithDesk;
let folder: string;
const open: Client[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-stdio-'));
  servers = await startServersWithDesk({ env: OWNER_ENV, shared: SECRET });
});
afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});
afterAll(async () => {
  await servers?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The program in stdio mode, driven by the SDK's own client. */
async function connect(env: Record<string, string>, mode: 'legacy' | 'auto' = 'auto') {
  const { NODE_COMPILE_CACHE = '' } = process.env;
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MCP_SERVER.pathname, '--stdio'],
    env: { NODE_COMPILE_CACHE, PORTCULLIS_MCP_URL: servers.server.mcpUrl, ...env },
    stderr: 'pipe',
    cwd: folder,
  });
  const client = new Client(
    { name: 'editor', version: '1.0.0' },
    mode === 'auto' ? { versionNegotiation: { mode } } : {},
  );
  open.push(client);
  await client.connect(transport);
  const call = (name: string, args: Record<string, unknown> = {}) => client.callTool({ name, arguments: args });
  const names = async () => (await client.listTools()).tools.map((tool) => tool.name);
  return { client, transport, call, names };
}

const withToken = (token: string) => ({ PORTCULLIS_MCP_TOKEN: token });

const tokenOf = async ({ who }: Holder) => {
  const { database, now } = servers.server;
  const [token] = await createPersonalAccessTokenStore(database).list({ userId: who.userId, limit: 1, now: now() });
  if (!token) throw new Error('no token');
  return token;
};

async function revoke(holder: Holder): Promise<void> {
  const page = await holder.person.open(`${servers.server.issuer}/account`);
  await act(holder.person, page, { path: `/${(await tokenOf(holder)).id}/revoke`, action: 'revoke' });
}

const REPLY = { ticketId: 'T-1001', body: 'Hello' };

describe('stdio mode takes its credentials from the environment (SP-35, PX-15)', () => {
  test.each([
    ['no token', {}],
    ['an empty one', withToken('')],
    ['something else', withToken('a password')],
    ['a token with a wrong checksum', withToken(`pct_${'A'.repeat(49)}`)],
    ['a file that is not there', { PORTCULLIS_MCP_TOKEN_FILE: '/nowhere/token' }],
  ])('with %s it ends with code 1 and one clear line, and opens nothing', async (_, env) => {
    const child = startServerProcess(MCP_SERVER, { ...env, PORTCULLIS_DATA_DIR: join(folder, 'data') }, ['--stdio']);
    expect(await child.ended).toEqual({ code: 1, signal: null });
    expect(child.stderr()).toMatch(/^portcullis: (?!unhandled).*PORTCULLIS_MCP_TOKEN.*\n$/);
    expect(child.stderr()).not.toContain('a password');
    expect(child.stdout()).toBe('');
    expect(await readdir(folder)).not.toContain('data');
  });

  test('an access token of an app is none', async () => {
    const { access } = await adminTokens(await targetOf(servers.server));
    expect(readToken(access).claims.aud).toContain('/admin');
    const child = startServerProcess(MCP_SERVER, withToken(access), ['--stdio']);
    expect(await child.ended).toEqual({ code: 1, signal: null });
    expect(child.stderr()).not.toContain(access);
  });

  test.each(['legacy', 'auto'] as const)('serves the tools of its token, in the %s era', async (mode) => {
    const holder = await newHolder(servers.server, ['agent']);
    const file = join(folder, `token-${mode}`);
    await writeFile(file, `${await makeToken(holder)}\n`);
    const { client, call, names } = await connect({ PORTCULLIS_MCP_TOKEN_FILE: file }, mode);
    expect(client.getNegotiatedProtocolVersion()).toBe(mode === 'auto' ? '2026-07-28' : '2025-11-25');
    const { structuredContent } = await call('whoami');
    expect(structuredContent).toMatchObject({
      subject: holder.who.userId,
      client: `personal-access-token:${(await tokenOf(holder)).id}`,
      scopes: ['desk:read', 'desk:write'],
    });
    expect(await names()).toEqual(expect.arrayContaining(['search_tickets', 'reply_to_ticket']));
    expect(await names()).not.toContain('export_customers');
    const answers = await Promise.all(Array.from({ length: 8 }, () => call('search_tickets')));
    expect(answers.every(({ isError }) => !isError)).toBe(true);
    expect((await call('reply_to_ticket', REPLY)).isError).toBeFalsy();
    await expect(call('no_such_tool')).rejects.toThrow('Unknown tool');
    const used = await createAuditLog(servers.server.database).list({
      type: 'personal_access_token.used',
      subject: holder.who.userId,
    });
    expect(used).toHaveLength(1);
  });

  test.each(['legacy', 'auto'] as const)('with a token that only reads it only reads, in the %s era', async (mode) => {
    const token = await makeToken(await newHolder(servers.server, ['agent']), { scope: ['desk:read'] });
    const { call } = await connect(withToken(token), mode);
    expect((await call('search_tickets')).isError).toBeFalsy();
    await expect(call('reply_to_ticket', REPLY)).rejects.toThrow(/does not allow this: it needs .*desk:write/);
  });

  test.each(['legacy', 'auto'] as const)('with a revoked token it says so, in the %s era', async (mode) => {
    const holder = await newHolder(servers.server, ['agent']);
    const token = await makeToken(holder);
    const { call } = await connect(withToken(token), mode);
    expect((await call('whoami')).isError).toBeFalsy();
    await revoke(holder);
    const refused = () =>
      call('whoami').then(
        () => false,
        (cause: unknown) => String(cause),
      );
    const said = await pollUntil(refused, { what: 'the refusal of a revoked token', intervalMs: 10 });
    expect(said).toContain('was revoked, has expired');
    await expect(connect(withToken(token), mode)).rejects.toThrow('was revoked, has expired');
  });

  test('says when the server is not reached, answers each request, and ends with the client', async () => {
    const token = await makeToken(await newHolder(servers.server));
    const nowhere = { ...withToken(token), PORTCULLIS_MCP_URL: `http://localhost:${await findFreePort()}/mcp` };
    await expect(connect(nowhere)).rejects.toThrow('was not reached');
    const child = startServerProcess(MCP_SERVER, withToken(token), ['--stdio']);
    // Its standard input is at its end from the start.
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.stdout()).toBe('');
  });

  test('sends the token nowhere else, whatever redirects there', async () => {
    const paths: (string | undefined)[] = [];
    const redirecting = await listenOnLoopback((request, response) => {
      paths.push(request.url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    const token = await makeToken(await newHolder(servers.server));
    const env = { ...withToken(token), PORTCULLIS_MCP_URL: `${redirecting.origin}/mcp` };
    await expect(connect(env)).rejects.toThrow('was not reached');
    expect(new Set(paths)).toEqual(new Set(['/mcp']));
    await redirecting.close();
  });
});

describe('a fixed header at the support desk (SP-14)', () => {
  test('the scopes of the token and the roles of its user both count', async () => {
    const { mcpUrl } = servers.server;
    const [agent, lead] = [await newHolder(servers.server, ['agent']), await newHolder(servers.server, ['lead'])];
    const token = await makeToken(agent);
    expect((await callTool(mcpUrl, { token, name: 'whoami' })).status).toBe(200);
    expect(await listTools(mcpUrl, token)).not.toContain('export_customers');
    const reading = await makeToken(lead, { scope: ['desk:read'] });
    expect(await listTools(mcpUrl, reading)).not.toContain('export_customers');
    const write = await callTool(mcpUrl, { token: reading, name: 'reply_to_ticket', args: REPLY });
    expect(write.status).toBe(403);
    expect(write.headers['www-authenticate']).toContain('insufficient_scope');
    expect(await listTools(mcpUrl, await makeToken(lead, { scope: ['desk:read', 'desk:admin'] }))).toContain(
      'export_customers',
    );
  });
});
