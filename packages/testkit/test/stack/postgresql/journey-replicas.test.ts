import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HttpPerson, Stack } from '../../../src/index.ts';
import {
  createHttpPerson,
  createSdkV2Client,
  findFreePort,
  pollUntil,
  requestToken,
  sendJson,
  startStack,
} from '../../../src/index.ts';
import { act, words } from '../support/account.ts';
import { ALL_ADMIN_SCOPES, adminTokens, COMMAND_LINE } from '../support/administration.ts';
import { codeExchange, obtainCode, registerClient, type Target, targetOf, tokensOf } from '../support/authorization.ts';
import { createCommandLine } from '../support/command-line.ts';
import { callTool, postMcp } from '../support/mcp-message.ts';
import { OWNER, OWNER_ENV } from '../support/owner.ts';
import { createProofKey, type ProofKey } from '../support/proof-key.ts';
import { grantIdOf } from '../support/refreshing.ts';
import { type Replica, startMcpReplica, startReplica } from '../support/replica.ts';
import { startTurningProxy, type TurningProxy } from '../support/turning-proxy.ts';

const MASTER_KEY = Buffer.alloc(32, 9).toString('base64url');
/** What MCP servers ask for by themselves. */
const OF_SERVERS = /^\/(revocations|jwks|introspect)/;

/** Two authorization servers on one database behind one address, and two MCP servers likewise. */
let stack: Stack;
let login: TurningProxy;
let desk: TurningProxy;
let replicas: Replica[];
let target: Target;
let person: HttpPerson;
let key: ProofKey;

beforeAll(async () => {
  login = await startTurningProxy((path) => OF_SERVERS.test(path));
  desk = await startTurningProxy();
  const [port, mcpPort] = [await findFreePort(), await findFreePort()];
  login.leadTo([port]);
  desk.leadTo([mcpPort]);
  stack = await startStack({
    mcpUrl: `${desk.origin}/mcp`,
    authorizationServer: {
      ...OWNER_ENV,
      PORTCULLIS_ISSUER: login.origin,
      PORTCULLIS_PORT: String(port),
      PORTCULLIS_MASTER_KEY: MASTER_KEY,
    },
    mcpServer: { PORTCULLIS_MCP_PORT: String(mcpPort) },
  });
  replicas = await Promise.all([startReplica(stack), startMcpReplica(stack)]);
  const [secondLogin, secondDesk] = replicas;
  login.leadTo([port, secondLogin?.port ?? 0]);
  desk.leadTo([mcpPort, secondDesk?.port ?? 0]);
  target = await targetOf(stack);
  person = createHttpPerson();
  key = await createProofKey();
}, 120_000);
afterAll(async () => {
  await Promise.all((replicas ?? []).map((replica) => replica.stop()));
  await stack?.stop();
  await Promise.all([login?.close(), desk?.close()]);
});

/** How many requests a journey came to, which must have gone to the two in turn. */
function turnsSince(proxy: TurningProxy, before: number): number {
  const turns = proxy.turns().slice(before);
  turns.slice(1).forEach((port, index) => {
    expect(port).not.toBe(turns[index]);
  });
  return turns.length;
}

/** Calls until the guard refuses the token: it hears of the end through the feed. */
function untilRefused(token: string): Promise<boolean> {
  const refused = async () => (await callTool(stack.mcpUrl, { token, name: 'whoami' })).status === 401;
  // Both replicas must have heard of it.
  return pollUntil(async () => (await refused()) && (await refused()), {
    what: 'both MCP servers to refuse the token',
  });
}

describe('with another replica at each request', () => {
  test('an SDK client finds its way, signs in, calls tools, refreshes, and is disconnected on the account page', async () => {
    const [before, deskBefore] = [login.turns().length, desk.turns().length];
    const application = await createSdkV2Client({
      mcpUrl: stack.mcpUrl,
      openInBrowser: async (url) => fetch(await person.authorize(url, OWNER)),
    });
    await application.connect();
    const name = 'search_tickets';
    for (let call = 0; call < 4; call++) expect((await application.callTool(name)).isError).toBe(false);
    application.spoilAccessToken();
    expect((await application.callTool(name)).isError).toBe(false);
    const { access_token: access = '' } = application.stored.tokens.at(-1) ?? {};
    expect(application.stored.authorizationUrls).toHaveLength(1);

    const page = await person.open(`${stack.issuer}/account`);
    expect(words(page)).toContain('Connected apps');
    const done = await act(person, page, { path: `${grantIdOf(access)}/disconnect`, action: 'revoke' });
    expect(done.answer.status).toBe(200);
    await untilRefused(access);
    await application.close();
    expect(turnsSince(login, before)).toBeGreaterThan(10);
    expect(turnsSince(desk, deskBefore)).toBeGreaterThan(8);
  });

  test('a client by hand: lost answers, less allowed, and revocation by the client', async () => {
    const before = login.turns().length;
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person, changes: { scope: 'desk:read desk:write' } });
    const first = tokensOf(await requestToken(target.server, codeExchange(target, client, code)));
    const form = { grant_type: 'refresh_token', client_id: client.id };
    const second = tokensOf(await requestToken(target.server, { ...form, refresh_token: first.refresh }));
    const again = tokensOf(await requestToken(target.server, { ...form, refresh_token: first.refresh }));
    expect(again).toEqual(second);
    await act(person, await person.open(`${stack.issuer}/account`), {
      path: `${grantIdOf(second.access)}/scopes`,
      scope: ['desk:read'],
    });
    const third = await requestToken(target.server, { ...form, refresh_token: second.refresh });
    expect(third.json?.scope).toBe('desk:read');
    const { access, refresh } = tokensOf(third);
    expect((await callTool(stack.mcpUrl, { token: access, name: 'whoami' })).status).toBe(200);
    await fetch(`${stack.issuer}/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: refresh, client_id: client.id }),
    });
    await untilRefused(access);
    expect((await requestToken(target.server, { ...form, refresh_token: refresh })).json?.error).toBe('invalid_grant');
    expect(turnsSince(login, before)).toBeGreaterThan(8);
  });

  test('the command line looks things up and changes them', async () => {
    const before = login.turns().length;
    const cli = createCommandLine();
    cli.signIn(stack.issuer, await adminTokens(target, { person: createHttpPerson() }));
    const run = async (...args: string[]) => {
      const end = await cli.run([...args, '--json', '--yes']);
      expect({ args, code: end.code, err: end.err }).toMatchObject({ code: 0 });
      return end.out;
    };
    await run('users', 'add', '--email', 'bob@example.com', '--role', 'agent');
    expect(await run('users', 'list')).toContain('bob@example.com');
    await run('clients', 'register', '--name', 'Nightly', '--redirect-uri', 'http://localhost:9/callback');
    expect(await run('clients', 'list')).toContain('Nightly');
    await run('keys', 'rotate', '--force');
    expect(await run('keys', 'list')).toContain('retiring');
    expect(await run('audit', 'tail')).toContain('user');
    cli.remove();
    expect(turnsSince(login, before)).toBeGreaterThan(8);
  });
});

describe('SP-11: a DPoP proof works once, whichever replica it is shown to', () => {
  /** An access token that is bound to the key. */
  async function boundToken(client: typeof COMMAND_LINE, changes: { resource: string; scope: string }) {
    const code = await obtainCode(target, client, { person: createHttpPerson(), changes });
    const dpop = await key.prove({ url: target.server.token_endpoint });
    const request = { ...codeExchange(target, client, code), resource: changes.resource };
    return tokensOf(await requestToken(target.server, request, { headers: { dpop } })).access;
  }

  test('at the admin API', async () => {
    const resource = `${stack.issuer}/admin`;
    const token = await boundToken(COMMAND_LINE, { resource, scope: ALL_ADMIN_SCOPES });
    const url = `${resource}/api/v1/users`;
    const headers = { authorization: `DPoP ${token}`, dpop: await key.prove({ url, method: 'GET', token }) };
    const statuses = [];
    for (let use = 0; use < 4; use++) statuses.push((await sendJson(url, { method: 'GET', headers })).status);
    expect(statuses).toEqual([200, 401, 401, 401]);
  });

  test('at the desk, also when it is shown to both at once', async () => {
    const client = await registerClient(target);
    const token = await boundToken(client, { resource: stack.mcpUrl, scope: 'desk:read' });
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    for (let round = 0; round < 5; round++) {
      const headers = { authorization: `DPoP ${token}`, dpop: await key.prove({ url: stack.mcpUrl, token }) };
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => postMcp(stack.mcpUrl, { token, body, headers })),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(7);
    }
  });
});
