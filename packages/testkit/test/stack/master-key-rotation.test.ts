import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createEnvelope, type Database, openDatabase } from '@portcullis/persistence';
import { rounds } from '@portcullis/test-database';
import {
  bearer,
  callMcp,
  createHttpPerson,
  dumpDatabase,
  dumpText,
  pollUntil,
  requestToken,
  type Stack,
  startStack,
} from '../../src/index.ts';
import { startServerProcess, untilReady } from '../../src/server-process.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { failStart } from './support/failed-start.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';
import { AUTHORIZATION_SERVER } from './support/replica.ts';

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;
const text = (key: Buffer) => key.toString('base64url');
const DONE = 'remove PORTCULLIS_MASTER_KEY_PREVIOUS';

/** What everything begins with that is sealed under a key. */
const prefixOf = (key: Buffer) => createEnvelope(key).seal('', '').split('.').slice(0, 2).join('.');

let stack: Stack;
let database: Database;

beforeEach(async () => {
  stack = await startStack({ authorizationServer: { ...OWNER_ENV, PORTCULLIS_MASTER_KEY: text(OLD) } });
  database = await openDatabase({ url: stack.databases.authorizationServer });
});
afterEach(async () => {
  await database?.close();
  await stack?.stop();
});

/** Says which keys the next starts get, and gives the environment of one. */
function configure(keys: { current: Buffer; previous?: Buffer }): Record<string, string> {
  for (const env of stack.environments.authorizationServers) {
    env.PORTCULLIS_MASTER_KEY = text(keys.current);
    delete env.PORTCULLIS_MASTER_KEY_PREVIOUS;
    if (keys.previous) env.PORTCULLIS_MASTER_KEY_PREVIOUS = text(keys.previous);
  }
  return stack.env.authorizationServer;
}

const dumped = async () => dumpText(await dumpDatabase(stack.databases.authorizationServer));

test('SP-4: the master key is replaced, and sessions, open forms, tokens and keys live on', async () => {
  const target = await targetOf(stack);
  const client = await registerClient(target);
  const person = createHttpPerson();
  const code = await obtainCode(target, client, { person });
  const tokens = tokensOf(await redeem(target, client, { code }));
  const stranger = createHttpPerson();
  const loginPage = await stranger.open(authorizationRequest(target, client).url);
  expect(await dumped()).toContain(prefixOf(OLD));

  configure({ current: NEW, previous: OLD });
  await stack.restart();
  expect(stack.authorizationServer.stdout()).toContain(DONE);
  const after = await dumped();
  expect(after).not.toContain(prefixOf(OLD));
  expect(after).toContain(prefixOf(NEW));

  // A form that was shown before is taken.
  const next = await stranger.submit(loginPage, { ...OWNER, action: 'login' });
  expect(next.answer.text).toContain('name="scope"');
  // Who was signed in is signed in, and a token that was signed before is good.
  const asks = async (name: string) => {
    const other = await registerClient(target, { client_name: name });
    return (await person.open(authorizationRequest(target, other).url)).answer.text;
  };
  expect(await asks('Second')).not.toContain('name="password"');
  expect((await callMcp(stack.mcpUrl, { headers: bearer(tokens.access) })).status).toBe(200);

  configure({ current: NEW });
  await stack.restart();
  expect(await asks('Third')).not.toContain('name="password"');
  expect((await callMcp(stack.mcpUrl, { headers: bearer(tokens.access) })).status).toBe(200);
  const { status } = await requestToken(target.server, {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh,
    client_id: client.id,
  });
  expect(status).toBe(200);

  await stack.stopServers();
  for (const keys of [{ current: OLD }, { current: Buffer.alloc(32, 3), previous: OLD }]) {
    const end = await failStart(AUTHORIZATION_SERVER, configure(keys));
    expect(end).toMatchObject({
      code: 1,
      lines: [expect.stringMatching(/^portcullis: PORTCULLIS_MASTER_KEY does not fit/)],
    });
  }
  const same = await failStart(AUTHORIZATION_SERVER, configure({ current: NEW, previous: NEW }));
  expect(same).toMatchObject({ code: 1, lines: [expect.stringContaining('is the same key')] });
  const bad = await failStart(AUTHORIZATION_SERVER, {
    ...configure({ current: NEW }),
    PORTCULLIS_MASTER_KEY_PREVIOUS: 'x',
  });
  expect(bad).toMatchObject({ code: 1, lines: [expect.stringContaining('PORTCULLIS_MASTER_KEY_PREVIOUS')] });
}, 180_000);

test('SP-4: kill -9 in the middle of it loses nothing, and the next start goes on', async () => {
  await stack.stopServers();
  const kills = rounds(10);
  const count = 400 + 400 * kills;
  const envelope = createEnvelope(OLD);
  await database.prisma.engineRecord.createMany({
    data: Array.from({ length: count }, (_, i) => ({
      model: 'Session',
      id: `row-${i}`,
      payload: envelope.seal(`{"accountId":"user-${i}"}`, `EngineRecord/Session/row-${i}`),
    })),
  });
  const left = () => database.prisma.engineRecord.count({ where: { payload: { startsWith: prefixOf(OLD) } } });

  let before = await left();
  let interrupted = 0;
  for (let round = 0; round < kills && before > 0; round += 1) {
    const server = startServerProcess(AUTHORIZATION_SERVER, configure({ current: NEW, previous: OLD }));
    await pollUntil(async () => (await left()) < before, {
      what: 'some values that are encrypted anew',
      intervalMs: 5,
    });
    await pause(Math.random() * 20);
    await server.kill();
    before = await left();
    if (before > 0) interrupted += 1;
    // Until it is done, the database is tied to the old key, and asks for it.
    if (interrupted === 1) {
      const alone = await failStart(AUTHORIZATION_SERVER, configure({ current: NEW }));
      expect(alone).toMatchObject({ code: 1, lines: [expect.stringContaining('PORTCULLIS_MASTER_KEY does not fit')] });
    }
  }
  expect(interrupted).toBeGreaterThan(0);

  const last = startServerProcess(AUTHORIZATION_SERVER, configure({ current: NEW, previous: OLD }));
  try {
    await untilReady(last, Number(stack.env.authorizationServer.PORTCULLIS_PORT));
    expect(last.stdout()).toContain(DONE);
  } finally {
    await last.stop();
  }
  expect(await dumped()).not.toContain(prefixOf(OLD));
  const reader = createEnvelope(NEW);
  const rows = await database.prisma.engineRecord.findMany({ where: { id: { startsWith: 'row-' } } });
  expect(rows).toHaveLength(count);
  for (const { id, payload } of rows) {
    expect(reader.open(payload, `EngineRecord/Session/${id}`).toString()).toBe(`{"accountId":"user-${id.slice(4)}"}`);
  }
}, 180_000);
