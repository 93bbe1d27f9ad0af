import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import type { Browser } from 'playwright-core';
import type { HttpPerson, Stack } from '../../../src/index.ts';
import {
  bearer,
  createBrowserPerson,
  createHttpPerson,
  createSdkV2Client,
  launchChromium,
  pollUntil,
  requestToken,
  sendJson,
  sendRaw,
  startStack,
} from '../../../src/index.ts';
import { adminTokens, callAdmin } from '../support/administration.ts';
import { obtainCode, redeem, registerClient, type Target, targetOf, tokensOf } from '../support/authorization.ts';
import { callTool, postMcp } from '../support/mcp-message.ts';
import { OWNER, OWNER_ENV } from '../support/owner.ts';
import { beginFamily, refreshRequest } from '../support/refreshing.ts';

/** What a proxy needs to notice that a replica goes; docker/Caddyfile asks every second. */
const DRAIN_SECONDS = 3;

/** The load of an upgrade is no attack. */
const WIDE_LIMITS = Object.fromEntries(
  ['USER_POINTS_PER_MINUTE', 'USER_POINTS_PER_DAY', 'CLIENT_POINTS_PER_MINUTE', 'CLIENT_POINTS_PER_DAY']
    .concat('TOOL_CALLS_PER_MINUTE')
    .map((name) => [`PORTCULLIS_MCP_${name}`, '1000000']),
);

/** Two replicas of each server on PostgreSQL behind the TLS proxy of docker-compose.yml, with https addresses. */
let stack: Stack;
let browser: Browser;
let target: Target;
let person: HttpPerson;

beforeAll(async () => {
  [stack, browser] = await Promise.all([
    startStack({
      behindProxy: true,
      authorizationServer: OWNER_ENV,
      env: { PORTCULLIS_DRAIN_SECONDS: String(DRAIN_SECONDS) },
      mcpServer: WIDE_LIMITS,
    }),
    launchChromium(),
  ]);
  target = await targetOf(stack);
  person = createHttpPerson();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
}, 60_000);

const whoami = (token: string) => callTool(stack.mcpUrl, { token, name: 'whoami' });

async function signIn() {
  const client = await registerClient(target);
  return { client, ...(await beginFamily(target, client, { person })) };
}

describe('behind the proxy', () => {
  test('SP-21: a person signs in with a browser, over https alone, with cookies for https alone', async () => {
    const owner = await createBrowserPerson(browser);
    const application = await createSdkV2Client({
      mcpUrl: stack.mcpUrl,
      openInBrowser: (url) => owner.authorize(url, OWNER),
    });
    await application.connect();
    for (let call = 0; call < 4; call++) expect((await application.callTool('search_tickets')).isError).toBe(false);
    application.spoilAccessToken();
    expect((await application.callTool('whoami')).isError).toBe(false);
    expect(application.stored.authorizationUrls).toHaveLength(1);
    expect(new URL(stack.issuer).protocol).toBe('https:');

    await owner.page.goto(`${stack.issuer}/account`);
    expect(await owner.page.locator('body').innerText()).toContain('Connected apps');
    const cookies = await owner.context.cookies(stack.issuer);
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) {
      expect(cookie).toMatchObject({ secure: true, httpOnly: true });
      // The mark of a browser that was here before opens nothing by itself.
      expect(cookie.name).toMatch(/^(__Host-|__Secure-|portcullis-device-)/);
    }
    const { headers } = await sendRaw(`${stack.issuer}/account`);
    expect(headers['strict-transport-security']).toMatch(/max-age=\d{8}/);
    await Promise.all([application.close(), owner.close()]);
  });

  test('SP-10: eight simultaneous refreshes are one rotation', async () => {
    const { client, refresh } = await signIn();
    let token = refresh;
    for (let round = 0; round < rounds(10); round++) {
      const requests = Array.from({ length: 8 }, () => requestToken(target.server, refreshRequest(client, token)));
      const tokens = (await Promise.all(requests)).map(tokensOf);
      expect(new Set(tokens.map((each) => each.refresh)).size).toBe(1);
      expect(new Set(tokens.map((each) => each.access)).size).toBe(1);
      token = tokens[0]?.refresh ?? '';
    }
  });

  test('a revocation reaches both MCP servers while the feed is open through the proxy', async () => {
    const took = [];
    for (let round = 0; round < rounds(10); round++) {
      const { client, access, refresh } = await signIn();
      // One after the other: the proxy takes the replicas in turn.
      for (const _replica of [1, 2]) expect((await whoami(access)).status).toBe(200);
      const body = new URLSearchParams({ token: refresh, client_id: client.id });
      expect(await sendJson(`${stack.issuer}/revoke`, { body })).toMatchObject({ status: 200 });
      const since = Date.now();
      const refused = async () => [(await whoami(access)).status, (await whoami(access)).status].join() === '401,401';
      await pollUntil(refused, { what: 'both MCP servers to refuse', intervalMs: 20 });
      took.push(Date.now() - since);
    }
    expect(took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]).toBeLessThan(1000);
  });

  test('no answer says what is in front', async () => {
    for (const url of [`${stack.issuer}/.well-known/oauth-authorization-server`, stack.mcpUrl]) {
      const { headers } = await sendRaw(url);
      expect([url, headers.server, headers.via]).toEqual([url, undefined, undefined]);
    }
  });

  test('SP-39: an address is what the proxy saw, never what a client wrote', async () => {
    const metadata = { client_name: 'From elsewhere' };
    const headers = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9', 'client-cert': ':AAAA:' };
    const client = await registerClient(target, metadata, { headers, fromAddress: '127.0.0.2' });
    const { access: token } = await adminTokens(target, { person: createHttpPerson() });
    const { json } = await callAdmin(stack.issuer, {
      token,
      path: `/audit?type=client.registered&client=${client.id}`,
    });
    const addresses = JSON.stringify(json).match(/"address":"[^"]+"/g);
    expect(addresses).toEqual(['"address":"127.0.0.2"']);
    const { access } = await beginFamily(target, client, { person });
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'whoami', arguments: {} },
    });
    expect((await postMcp(stack.mcpUrl, { token: access, body, headers, fromAddress: '127.0.0.3' })).status).toBe(200);
    const called = async () => {
      const found = await callAdmin(stack.issuer, { token, path: `/audit?type=tool.called&client=${client.id}` });
      return JSON.stringify(found.json).match(/"address":"[^"]+"/g) ?? undefined;
    };
    expect(await pollUntil(called, { what: 'the record of the call' })).toEqual(['"address":"127.0.0.3"']);
  });

  test('a server never ends an idle connection before a proxy does', async () => {
    const { authorizationServer, mcpServer } = stack.env;
    for (const port of [authorizationServer.PORTCULLIS_PORT, mcpServer.PORTCULLIS_MCP_PORT]) {
      const { headers } = await fetch(`http://localhost:${port}/healthz`);
      expect(headers.get('keep-alive')).toBe('timeout=100');
    }
  });

  test('events come through as they happen', async () => {
    const secret = stack.env.mcpServer.PORTCULLIS_MCP_CLIENT_SECRET ?? '';
    const authorization = `Basic ${Buffer.from(`mcp-server:${secret}`).toString('base64')}`;
    const answer = await fetch(`${stack.issuer}/revocations`, { headers: { authorization } });
    expect(answer.status).toBe(200);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const started = Date.now();
    let text = '';
    // A heartbeat goes out every 2 seconds: what is held back comes much later, or at the end.
    while (text.split('\n\n').length < 4) text += (await reader?.read())?.value ?? '';
    expect(Date.now() - started).toBeLessThan(10_000);
    await reader?.cancel();
  });
});

describe('an upgrade', () => {
  test('every server is replaced in turn while clients work, and no request fails', async () => {
    const machine = await signIn();
    const failures: unknown[] = [];
    let done = false;
    let requests = 0;
    const keepOn = async (what: string, send: () => Promise<{ status: number; text: string }>, good: number) => {
      while (!done) {
        requests += 1;
        const answer = await send().catch((cause: Error) => ({ status: 0, text: cause.message }));
        if (answer.status !== good) failures.push([what, answer.status, answer.text]);
      }
    };
    let { access, refresh } = machine;
    const refreshing = keepOn(
      'refresh',
      async () => {
        const answer = await requestToken(target.server, refreshRequest(machine.client, refresh));
        if (answer.status === 200) ({ access, refresh } = tokensOf(answer));
        return answer;
      },
      200,
    );
    const calling = ['search_tickets', 'whoami'].map((name) =>
      keepOn(name, () => callTool(stack.mcpUrl, { token: access, name }), 200),
    );
    const registering = keepOn('metadata', () => sendRaw(`${stack.issuer}/.well-known/openid-configuration`), 200);
    const ends = await stack.rollOver().finally(() => {
      done = true;
    });
    await Promise.all([refreshing, ...calling, registering]);
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
    expect(ends).toEqual(Array(4).fill({ code: 0, signal: null }));
    // What was granted before is good after it.
    expect((await whoami(access)).status).toBe(200);
    const code = await obtainCode(target, machine.client, { person });
    expect((await redeem(target, machine.client, { code })).status).toBe(200);
  }, 120_000);
});

describe('while no server is there', () => {
  test('clients and people are asked to come back, as a server asks while its database is away', async () => {
    await stack.stopServers();
    const [client, page] = await Promise.all([
      sendJson(target.server.token_endpoint, { body: new URLSearchParams({ grant_type: 'refresh_token' }) }),
      sendRaw(`${stack.issuer}/account`, { headers: { accept: 'text/html' } }),
    ]);
    for (const { status, headers } of [client, page])
      expect([status, headers['retry-after'], headers['cache-control']]).toEqual([503, '5', 'no-store']);
    expect(client.json?.error).toBe('temporarily_unavailable');
    expect([page.headers['content-type'], page.text]).toEqual([
      'text/plain; charset=utf-8',
      expect.stringContaining('Try again in a few seconds.'),
    ]);
  });

  test('the proxy says so, and writes no address and no header into its log', async () => {
    const { status, headers } = await sendRaw(`${stack.issuer}/setup?token=very-secret`, {
      headers: bearer('very-secret'),
    });
    expect([status, headers['retry-after'], headers.server]).toEqual([503, '5', undefined]);
    const logs = stack.proxyLogs();
    expect(logs).toMatch(/"logger":"http\.log\.error.*"status":503/);
    expect(logs).not.toContain('very-secret');
  });
});
