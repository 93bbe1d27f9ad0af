import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type PostgresqlCluster, startPostgresql } from '@portcullis/test-database';
import type { Stack, StackOptions } from '../../src/index.ts';
import { pollUntil, sendRaw, startStack } from '../../src/index.ts';

const status = async (url: string) => (await sendRaw(url)).status;

/** The origins of both servers. */
function origins(stack: Stack): string[] {
  return [stack.issuer, new URL(stack.mcpUrl).origin];
}

let cluster: PostgresqlCluster | undefined;
let stack: Stack;

beforeAll(async () => {
  // A server of our own, because it is killed.
  cluster = globalThis.portcullisTestDatabase === 'postgresql' ? await startPostgresql() : undefined;
  stack = await startStack(cluster && onCluster(cluster));
});
afterAll(async () => {
  await stack?.stop();
  await cluster?.stop();
});

function onCluster({ url }: PostgresqlCluster): StackOptions {
  const other = Object.assign(new URL(url), { pathname: '/template1' }).href;
  return { authorizationServer: { DATABASE_URL: url }, mcpServer: { PORTCULLIS_MCP_DATABASE_URL: other } };
}

test('both servers are up and ready, and say no more than that', async () => {
  for (const origin of origins(stack)) {
    for (const path of ['/healthz', '/readyz']) {
      const answer = await sendRaw(`${origin}${path}`);
      expect([path, answer.status]).toEqual([path, 200]);
      expect(answer.text).toMatch(/^\{"status":"(up|ready)"\}$/);
    }
  }
});

// With SQLite there is no database that could be away.
if (globalThis.portcullisTestDatabase === 'postgresql')
  describe('while PostgreSQL is away', () => {
    test('the servers are up but not ready, answer no request with more than an apology, and recover', async () => {
      await cluster?.kill();
      for (const origin of origins(stack)) {
        await pollUntil(async () => (await status(`${origin}/readyz`)) === 503, { what: `503 from ${origin}` });
        expect(await status(`${origin}/healthz`)).toBe(200);
        expect((await sendRaw(`${origin}/readyz`)).text).not.toMatch(/postgres|127\.0\.0\.1|ECONN/i);
      }
      const failed = await sendRaw(`${stack.issuer}/register`, {
        body: JSON.stringify({ redirect_uris: ['http://localhost/cb'], token_endpoint_auth_method: 'none' }),
        headers: { 'content-type': 'application/json' },
      });
      expect(failed.status).toBeGreaterThanOrEqual(500);
      expect(failed.text).not.toMatch(/prisma|postgres|ECONN|127\.0\.0\.1|\bat /i);
      await cluster?.restart();
      for (const origin of origins(stack)) {
        await pollUntil(async () => (await status(`${origin}/readyz`)) === 200, { what: `200 from ${origin}` });
      }
      expect(stack.authorizationServer.stderr()).toBe('');
      expect(stack.mcpServer.stderr()).toBe('');
    });
  });
