import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '@portcullis/persistence';
import { rounds } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer, Stack } from '../../src/index.ts';
import { createHttpPerson, pollUntil, startStack } from '../../src/index.ts';
import { type ServerProcess, startServerProcess, untilReady } from '../../src/server-process.ts';
import { registerClient, type Target, type TestClient, targetOf, tokensOf } from './support/authorization.ts';
import { callTool } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamilies, countTokens, type Family, refresh } from './support/refreshing.ts';
import { AUTHORIZATION_SERVER } from './support/replica.ts';

const INSTALLATIONS = 6;

let stack: Stack;
let server: ServerProcess;
let target: Target;
let client: TestClient;
let person: HttpPerson;
let database: Database;

beforeAll(async () => {
  stack = await startStack({
    durable: true,
    oneOfEach: true,
    authorizationServer: OWNER_ENV,
    // A server that is killed for minutes on end cannot be listened to, and the MCP server would rightly close.
    mcpServer: { PORTCULLIS_MCP_WHEN_FEED_IS_DOWN: 'until-expiry' },
  });
  server = stack.authorizationServer;
  target = await targetOf(stack);
  client = await registerClient(target);
  person = createHttpPerson();
  database = await openDatabase({ url: stack.databases.authorizationServer });
});
afterAll(async () => {
  await database?.close();
  await server?.stop();
  await stack?.stop();
});

/** A client on somebody's computer: it keeps the newest tokens that it was told of, and nothing else. */
type Installation = Family & { answers: number };

/** Whether a proxy in front says that nobody is behind it; the server itself names each of its answers. */
const isProxyAlone = ({ status, headers }: JsonAnswer) => status >= 502 && headers['x-correlation-id'] === undefined;

/** Refreshes without a pause until the server is gone: the last request stays unanswered. */
async function refreshUntilDeath(installation: Installation): Promise<void> {
  for (;;) {
    try {
      const answer = await refresh(target, client, { token: installation.refresh });
      if (isProxyAlone(answer)) return;
      Object.assign(installation, tokensOf(answer), { answers: installation.answers + 1 });
    } catch (cause) {
      if (cause instanceof Error && cause.message.startsWith('no token')) throw cause;
      return;
    }
  }
}

async function killInTheMiddle(installations: readonly Installation[], wanted: number): Promise<void> {
  const working = Promise.all(installations.map(refreshUntilDeath));
  await pollUntil(() => installations.every(({ answers }) => answers >= wanted), {
    what: 'refreshes that are under way',
    intervalMs: 1,
  });
  await server.kill();
  await working;
  server = startServerProcess(AUTHORIZATION_SERVER, stack.env.authorizationServer);
  await untilReady(server, stack.port);
  await stack.untilInUse();
}

test('SP-10: kill -9 in the middle of refreshes: who retries only the last unanswered request ends with a working token', async () => {
  const families = await beginFamilies(target, client, { person, count: INSTALLATIONS });
  const installations = families.map((family) => ({ ...family, answers: 0 }));
  for (let round = 0; round < rounds(50); round++) {
    for (const installation of installations) installation.answers = 0;
    await killInTheMiddle(installations, 1 + (round % 3));
    for (const installation of installations) {
      const { grantId, refresh: token } = installation;
      expect((await countTokens(database, grantId)).heads).toBe(1);
      Object.assign(installation, tokensOf(await refresh(target, client, { token })));
      expect((await countTokens(database, grantId)).heads).toBe(1);
    }
    const answers = await Promise.all(
      installations.map(({ access: token }) => callTool(stack.mcpUrl, { token, name: 'whoami' })),
    );
    expect(answers.filter(({ result }) => result === undefined)).toEqual([]);
  }
}, 900_000);
