import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createHttpPerson,
  findFreePort,
  pollUntil,
  requestToken,
  type Stack,
  sendJson,
  startStack,
  startTcpRelay,
  type TcpRelay,
} from '../../src/index.ts';
import { startServerProcess, untilReady } from '../../src/server-process.ts';
import { obtainCode, redeem, registerClient, type Target, targetOf, tokensOf } from './support/authorization.ts';
import { callTool } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';
import { MCP_SERVER } from './support/replica.ts';

const HEARD = 'revocation: heard of at once';

let stack: Stack;
/** What the desk calls the issuer: it can be made a black hole. */
let issuer: TcpRelay;
let target: Target;

beforeAll(async () => {
  issuer = await startTcpRelay();
  const port = await findFreePort();
  issuer.leadTo(port);
  stack = await startStack({
    authorizationServer: { ...OWNER_ENV, PORTCULLIS_PORT: String(port), PORTCULLIS_ISSUER: issuer.origin },
    mcpServer: { PORTCULLIS_MCP_FAIL_CLOSED_AFTER: '6' },
  }).catch(async (cause: unknown) => {
    await issuer.close();
    throw cause;
  });
  target = await targetOf({ issuer: issuer.origin, mcpUrl: stack.mcpUrl });
  await pollUntil(() => stack.mcpServer.stdout().includes(HEARD), { what: 'the desk listening' });
});

afterAll(async () => {
  await stack?.stop();
  await issuer?.close();
});

async function signIn() {
  const client = await registerClient(target, { client_name: `Client ${Math.random()}` });
  const tokens = tokensOf(
    await redeem(target, client, { code: await obtainCode(target, client, { person: createHttpPerson() }) }),
  );
  return { ...tokens, client };
}

async function whoami(mcpUrl: string, token: string) {
  const { status, headers } = await callTool(mcpUrl, { token, name: 'whoami' });
  return { status, challenge: headers['www-authenticate'], retryAfter: headers['retry-after'] };
}

const untilStatus = (mcpUrl: string, token: string, status: number) =>
  pollUntil(
    async () => {
      const answer = await whoami(mcpUrl, token);
      return answer.status === status && answer;
    },
    { what: `status ${status}`, intervalMs: 20 },
  );

describe('the support desk, as it comes', () => {
  test('refuses a revoked token at once, at both of its replicas', async () => {
    const { access, refresh, client } = await signIn();
    const port = await findFreePort();
    const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-desk-'));
    const { PORTCULLIS_MCP_DATABASE_URL: database = '' } = stack.env.mcpServer;
    const other = startServerProcess(MCP_SERVER, {
      ...stack.env.mcpServer,
      ...(database !== '' && { PORTCULLIS_MCP_DATABASE_URL: database }),
      PORTCULLIS_MCP_PORT: String(port),
      PORTCULLIS_DATA_DIR: dataDir,
    });
    try {
      await untilReady(other, port);
      await pollUntil(() => other.stdout().includes(HEARD), { what: 'the other desk listening' });
      expect(await whoami(stack.mcpUrl, access)).toMatchObject({ status: 200 });
      const body = new URLSearchParams({ token: refresh, client_id: client.id });
      expect(await sendJson(`${issuer.origin}/revoke`, { body })).toMatchObject({ status: 200 });
      const host = { host: new URL(stack.mcpUrl).host };
      const refusals = await Promise.all([
        untilStatus(stack.mcpUrl, access, 401),
        pollUntil(
          async () => {
            const url = `http://localhost:${port}/mcp`;
            const { status, headers } = await sendJson(url, {
              headers: { ...host, authorization: `Bearer ${access}`, 'content-type': 'application/json' },
              body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
            });
            return status === 401 && { status, challenge: headers['www-authenticate'] };
          },
          { what: 'the refusal at the other desk' },
        ),
      ]);
      for (const { challenge } of refusals) expect(challenge).toContain('error="invalid_token"');
      expect(await other.stop()).toEqual({ code: 0, signal: null });
    } finally {
      await other.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  test('answers 503 with Retry-After when it has heard nothing for too long, and comes back by itself', async () => {
    const { access, refresh, client } = await signIn();
    expect(await whoami(stack.mcpUrl, access)).toMatchObject({ status: 200 });
    issuer.swallow();
    expect(await untilStatus(stack.mcpUrl, access, 503)).toEqual({
      status: 503,
      challenge: undefined,
      retryAfter: '5',
    });
    issuer.heal();
    await untilStatus(stack.mcpUrl, access, 200);
    const again = { grant_type: 'refresh_token', refresh_token: refresh, client_id: client.id };
    expect(await requestToken(target.server, again)).toMatchObject({ status: 200 });
  });

  test('does not hold up the end of the authorization server', async () => {
    const started = Date.now();
    expect(await stack.authorizationServer.stop()).toEqual({ code: 0, signal: null });
    expect(Date.now() - started).toBeLessThan(4000);
    await stack.restart();
    await pollUntil(() => stack.mcpServer.stdout().includes(HEARD), { what: 'the desk listening again' });
    expect(stack.logs()).not.toContain(stack.env.mcpServer.PORTCULLIS_MCP_CLIENT_SECRET);
  });
});
