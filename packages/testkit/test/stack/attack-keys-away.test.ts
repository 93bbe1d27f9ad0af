import { expect, test } from '@jest/globals';
import { bearer, callMcp, createHttpPerson, pollUntil, sendRaw, startStack } from '../../src/index.ts';
import { startServerProcess, untilReady } from '../../src/server-process.ts';
import { obtainCode, redeem, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { OWNER_ENV } from './support/owner.ts';
import { MCP_SERVER } from './support/replica.ts';

test('RS-23: without keys an MCP server answers 503 with Retry-After; with them it outlives its authorization server', async () => {
  const stack = await startStack({ oneOfEach: true, authorizationServer: OWNER_ENV });
  try {
    const target = await targetOf(stack);
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    const { access } = tokensOf(await redeem(target, client, { code }));
    // What is not ready gets nothing from a proxy in front, so it is asked past that.
    const itself = `http://localhost:${stack.mcpPort}`;
    const { host } = new URL(stack.mcpUrl);
    const call = () => callMcp(stack.mcpUrl, { headers: bearer(access) });

    // Keys are cached once they are had.
    expect((await call()).status).toBe(200);
    await stack.authorizationServer.stop();
    expect((await call()).status).toBe(200);

    // A server that never had them cannot tell a good token from a bad one, and says so.
    await stack.mcpServer.stop();
    const alone = startServerProcess(MCP_SERVER, stack.env.mcpServer);
    try {
      await pollUntil(async () => (await sendRaw(`${itself}/healthz`, { headers: { host } })).status === 200, {
        what: 'the MCP server',
      });
      for (const token of [access, `${access}x`]) {
        const answer = await callMcp(`${itself}/mcp`, { headers: { ...bearer(token), host } });
        expect(answer.status).toBe(503);
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
        expect(answer.headers['www-authenticate']).toBeUndefined();
        expect(answer.text).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|localhost/);
      }
      // What needs no key to be refused is refused.
      expect((await callMcp(`${itself}/mcp`, { headers: { host } })).status).toBe(401);
      expect((await sendRaw(`${itself}/readyz`, { headers: { host } })).status).toBe(503);
    } finally {
      await alone.stop();
    }
    await stack.restart();
    await untilReady(stack.mcpServer, stack.mcpPort);
    expect((await call()).status).toBe(200);
  } finally {
    await stack.stop();
  }
});
