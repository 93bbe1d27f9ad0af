import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { createGuard, type Guard, type GuardOptions } from '@portcullis/guard';
import { createEnvelope, createSigningKeyStore, openDatabase } from '@portcullis/persistence';
import { createTestDatabase, rounds } from '@portcullis/test-database';
import {
  createHttpPerson,
  pollUntil,
  readToken,
  requestToken,
  type Stack,
  sendRaw,
  startStack,
} from '../../src/index.ts';
import { obtainCode, redeem, registerClient, type Target, targetOf, tokensOf } from './support/authorization.ts';
import { MASTER_KEY, startInProcess } from './support/in-process.ts';
import { holdMachineClock } from './support/machine-clock.ts';
import { OWNER_ENV } from './support/owner.ts';
import { startReplica } from './support/replica.ts';

const APPS = 3;
const ROTATIONS = Math.max(2, rounds(6));

let undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

/** Where each replica may be asked, or what is in front of it, and one guard for each that reads the key set there. */
type Deployment = { target: Target; origins: readonly string[]; guards: readonly Guard[] };

const originOf = ({ port }: { port: number }) => `http://localhost:${port}`;

/** A guard of an MCP server whose load balancer leads to one replica. */
function guardBehind(origin: string, { server, mcpUrl }: Target, options: Partial<GuardOptions> = {}): Guard {
  const { host } = new URL(server.issuer);
  return createGuard({
    issuer: server.issuer,
    resource: mcpUrl,
    scopes: { supported: [], baseline: [] },
    fetch: async (url) => {
      const { pathname } = new URL(String(url));
      const { status, text } = await sendRaw(new URL(pathname, origin), { headers: { host } });
      return new Response(text, { status });
    },
    ...options,
  });
}

/** What came of it; `turns` has how often each app has gone round. */
type Tally = { refreshes: number; calls: number; failures: string[]; kids: Set<string>; turns: number[] };

/** Somebody's app: refreshes at one replica after the other, and calls MCP servers with what it gets. */
async function useAnApp(
  { target, origins, guards }: Deployment,
  { app, tally, goesOn, pauseMs }: { app: number; tally: Tally; goesOn: () => boolean; pauseMs: number },
): Promise<void> {
  const { host } = new URL(target.server.issuer);
  const client = await registerClient(target);
  const code = await obtainCode(target, client, { person: createHttpPerson() });
  let { refresh } = tokensOf(await redeem(target, client, { code }));
  for (let turn = 0; goesOn(); turn += 1) {
    tally.turns[app] = turn;
    const origin = origins[(app + turn) % origins.length];
    const answer = await requestToken(
      { ...target.server, token_endpoint: `${origin}/token` },
      { grant_type: 'refresh_token', refresh_token: refresh, client_id: client.id },
      { headers: { host } },
    );
    tally.refreshes += 1;
    if (answer.status !== 200) {
      tally.failures.push(`refresh: ${answer.status} ${answer.text}`);
      return;
    }
    const tokens = tokensOf(answer);
    refresh = tokens.refresh;
    tally.kids.add(String(readToken(tokens.access).header.kid));
    for (const guard of [...guards, ...guards]) {
      const request = new Request(target.mcpUrl, { headers: { authorization: `Bearer ${tokens.access}` } });
      const response = await guard.protect(request, () => new Response('done'));
      tally.calls += 1;
      if (response.status !== 200)
        tally.failures.push(`call: ${response.status} ${response.headers.get('www-authenticate')}`);
      await pause(pauseMs);
    }
  }
}

function newTally(): Tally {
  return { refreshes: 0, calls: 0, failures: [], kids: new Set(), turns: Array(APPS).fill(0) };
}

function report(what: string, { refreshes, calls, failures, kids }: Tally): void {
  process.stdout.write(
    `${what}: ${kids.size - 1} rotations, ${refreshes} refreshes, ${calls} calls, ${failures.length} failed\n`,
  );
}

test('SP-13: no request fails while keys rotate every few seconds, over all replicas', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-keys-'));
  undo.push(() => rm(folder, { recursive: true }));
  const file = join(folder, 'portcullis.config.json');
  // As short as the rules allow: five seconds of signing, three of them known before.
  const signingKeys = { rotationSeconds: 5, publishSeconds: 3, overlapSeconds: 6, jwksMaxAgeSeconds: 1 };
  await writeFile(file, JSON.stringify({ signingKeys }));
  const stack: Stack = await startStack({
    authorizationServerAlone: true,
    authorizationServer: {
      ...OWNER_ENV,
      PORTCULLIS_CONFIG: file,
      PORTCULLIS_ACCESS_TOKEN_TTL: '5',
      PORTCULLIS_MASTER_KEY: MASTER_KEY.toString('base64url'),
    },
  });
  undo.push(() => stack.stop());
  const origins = [new URL(stack.issuer).origin];
  if (globalThis.portcullisTestDatabase === 'postgresql') {
    const replica = await startReplica(stack);
    undo.push(() => replica.stop());
    origins.push(originOf(replica));
  }
  const target = await targetOf(stack);
  // A guard may wait no longer between two looks at the key set than a key is known before it signs.
  const guards = origins.map((origin) => guardBehind(origin, target, { jwks: { cooldownMs: 1000 } }));
  const tally = newTally();
  const deadline = Date.now() + 20_000 + ROTATIONS * 10_000;
  const goesOn = () => tally.failures.length === 0 && tally.kids.size <= ROTATIONS && Date.now() < deadline;
  const deployment = { target, origins, guards };
  const apps = Array.from({ length: APPS }, (_, app) => useAnApp(deployment, { app, tally, goesOn, pauseMs: 10 }));
  await Promise.all(apps);
  report(`keys every 5 s, ${origins.length} processes`, tally);
  expect(tally.failures).toEqual([]);
  expect(tally.kids.size).toBe(ROTATIONS + 1);
  await expectRetiredEverywhere(stack, origins);
}, 180_000);

/** A key that is retired leaves the key set of every process. */
async function expectRetiredEverywhere({ issuer, databases }: Stack, origins: readonly string[]): Promise<void> {
  const database = await openDatabase({ url: databases.authorizationServer });
  undo.push(() => database.close());
  const store = createSigningKeyStore(database, createEnvelope(MASTER_KEY));
  const [newest] = await store.list({ limit: 1 });
  const publishes = async (origin: string) => {
    const { text } = await sendRaw(new URL('/jwks', origin), {
      headers: { host: new URL(issuer).host },
    });
    return text.includes(String(newest?.kid));
  };
  for (const origin of origins) await pollUntil(() => publishes(origin), { what: 'the newest key' });
  await store.retire({ kid: String(newest?.kid), now: new Date() });
  const retiredAt = performance.now();
  for (const origin of origins) await pollUntil(async () => !(await publishes(origin)), { what: 'the end of a key' });
  process.stdout.write(
    `a retired key was gone from ${origins.length} after ${Math.round(performance.now() - retiredAt)} ms\n`,
  );
}

test('SP-13: no request fails over hours of rotations, with guards as they come', async () => {
  const database = await createTestDatabase();
  undo.push(() => database.drop());
  const clock = holdMachineClock();
  undo.push(async () => clock.release());
  const configuration = { signingKeys: { rotationSeconds: 3600 } };
  const first = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration });
  undo.push(() => first.close());
  const second = await startInProcess({ databaseUrl: database.url, issuer: first.issuer, configuration });
  undo.push(() => second.close());
  const target = await targetOf(first);
  const origins = [originOf(first), originOf(second)];
  const deployment = { target, origins, guards: origins.map((origin) => guardBehind(origin, target)) };
  const tally = newTally();
  const goesOn = () => tally.failures.length === 0 && tally.kids.size <= ROTATIONS;
  const apps = Promise.all(
    Array.from({ length: APPS }, (_, app) => useAnApp(deployment, { app, tally, goesOn, pauseMs: 1 })),
  );
  for (let step = 0; goesOn() && step < 100 * ROTATIONS; step += 1) {
    // Two minutes for every time that all have gone round: no token gets old while it is used.
    const seen = [...tally.turns];
    while (goesOn() && tally.turns.some((turn, app) => turn <= (seen[app] ?? 0))) await pause(1);
    clock.pass(120);
    await (step % 2 === 0 ? first : second).keepKeys();
  }
  await apps;
  report('keys every hour, on a moved clock', tally);
  expect(tally.failures).toEqual([]);
  expect(tally.kids.size).toBe(ROTATIONS + 1);
}, 180_000);
