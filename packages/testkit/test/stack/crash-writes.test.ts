import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type PostgresqlCluster, rounds, startPostgresql } from '@portcullis/test-database';
import type { Stack } from '../../src/index.ts';
import {
  createHttpPerson,
  dumpDatabase,
  dumpText,
  pollUntil,
  readToken,
  requestToken,
  startStack,
} from '../../src/index.ts';
import type { Target } from './support/authorization.ts';
import { obtainCode, redeem, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { callTool } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';

let cluster: PostgresqlCluster | undefined;
let stack: Stack;
let target: Target;
let databases: Stack['databases'];

beforeAll(async () => {
  // A server of our own, because it is killed as well, and because it writes through to the disk.
  cluster = globalThis.portcullisTestDatabase === 'postgresql' ? await startPostgresql({ durable: true }) : undefined;
  const urls = cluster && {
    authorizationServer: cluster.url,
    mcpServer: Object.assign(new URL(cluster.url), { pathname: '/template1' }).href,
  };
  stack = await startStack({
    durable: true,
    authorizationServer: { ...OWNER_ENV, ...(urls && { DATABASE_URL: urls.authorizationServer }) },
    mcpServer: urls ? { PORTCULLIS_MCP_DATABASE_URL: urls.mcpServer } : {},
  });
  databases = urls ?? stack.databases;
  target = await targetOf(stack);
});

afterAll(async () => {
  await stack?.stop();
  await cluster?.stop();
});

/** What the servers said they had done. */
type Acknowledged = { clients: string[]; grants: string[]; consents: string[]; replies: string[] };

/** Writes without a pause until the other side is gone; notes nothing that was not answered. */
async function writeUntilDeath(run: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await run();
    } catch {
      return;
    }
  }
}

let counter = 0;

function writers(acknowledged: Acknowledged, token: string): Promise<unknown> {
  const person = createHttpPerson();
  const register = async () => {
    const { id } = await registerClient(target);
    acknowledged.clients.push(id);
  };
  // On the web a consent is remembered, and the code that comes back says that it was stored.
  const authorize = async () => {
    const client = await registerClient(target, { redirect_uris: ['https://app.example/callback'] });
    const code = await obtainCode(target, client, { person });
    acknowledged.consents.push(client.id);
    const { access } = tokensOf(await redeem(target, client, { code }));
    acknowledged.grants.push(String(readToken(access).claims.gid));
  };
  const reply = async () => {
    const body = `reply number ${counter++}`;
    const answer = await callTool(stack.mcpUrl, { token, name: 'reply_to_ticket', args: { ticketId: 'T-1001', body } });
    if (answer.result?.structuredContent === undefined) throw new Error(answer.text);
    acknowledged.replies.push(body);
  };
  return Promise.all([register, register, authorize, reply, reply].map(writeUntilDeath));
}

/** Nothing that was answered is missing. */
async function expectAllThere(acknowledged: Acknowledged): Promise<void> {
  const dump = await dumpDatabase(databases.authorizationServer);
  const column = (table: string, name: string) => {
    const rows = dump[table] ?? dump[`public.${table}`] ?? [];
    return new Set(rows.map((row) => String(row[name])));
  };
  const missing = (wanted: string[], there: Set<string>) => wanted.filter((one) => !there.has(one));
  expect(missing(acknowledged.clients, column('Client', 'id'))).toEqual([]);
  expect(missing(acknowledged.grants, column('Grant', 'id'))).toEqual([]);
  expect(missing(acknowledged.consents, column('Consent', 'clientId'))).toEqual([]);
  const replies = dumpText(await dumpDatabase(databases.mcpServer));
  expect(acknowledged.replies.filter((body) => !replies.includes(`"${body}"`))).toEqual([]);
}

test('kill -9 in the middle of writes loses nothing that was acknowledged, and the next start succeeds at once', async () => {
  const all: Acknowledged = { clients: [], grants: [], consents: [], replies: [] };
  const client = await registerClient(target);
  for (let round = 0; round < rounds(20); round++) {
    const changes = { scope: 'desk:read desk:write' };
    const code = await obtainCode(target, client, { person: createHttpPerson(), changes });
    const { access, refresh } = tokensOf(await redeem(target, client, { code }));
    const before = structuredClone(all);
    const writing = writers(all, access);
    // Every kind of write has been answered at least once, and the next ones are under way.
    await pollUntil(() => growth(before, all) > round % 3, {
      what: `writes of every kind: ${JSON.stringify(all)}`,
      intervalMs: 1,
    });
    // In every other round the database's own server dies first.
    if (cluster && round % 2 === 0) await cluster.kill();
    await stack.killHard();
    await writing;
    if (cluster && round % 2 === 0) await cluster.restart();
    await stack.restart();
    await expectAllThere(all);
    const params = { grant_type: 'refresh_token', refresh_token: refresh, client_id: client.id };
    expect((await requestToken(target.server, params)).status).toBe(200);
  }
  for (const written of Object.values(all)) expect(written).not.toHaveLength(0);
  expect(stack.logs()).not.toMatch(/corrupt|malformed/i);
}, 600_000);

/** How often at least each kind of write was answered since `before`. */
function growth(before: Acknowledged, after: Acknowledged): number {
  const { clients, grants, consents, replies } = after;
  return Math.min(
    clients.length - before.clients.length,
    grants.length - before.grants.length,
    consents.length - before.consents.length,
    replies.length - before.replies.length,
  );
}
