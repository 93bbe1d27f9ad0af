import { afterEach, describe, expect, test } from '@jest/globals';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Secret } from '@portcullis/platform';
import { findFreePort, rounds } from '@portcullis/test-database';
import { z } from 'zod';
import { createAdmissions } from '../src/policy/admission.ts';
import { createCallLimits } from '../src/policy/call-limits.ts';
import { memoryCounters, sharedCounters } from '../src/policy/counters.ts';
import { DEFAULT_LIMITS, type Limits } from '../src/policy/limits.ts';
import { callSlots, subscriptionSlots } from '../src/policy/slots.ts';
import { defineTool, type Tool } from '../src/tools/tool.ts';
import { startDesk, type TestDesk } from './support/desk.ts';
import { type HeldClock, holdClock } from './support/held-clock.ts';
import { ask, call, ERAS, post } from './support/messages.ts';
import { silentLogger } from './support/silent-logger.ts';
import { testTool } from './support/test-tool.ts';

const opened: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function deskWith(limits: Partial<Limits>, tools?: readonly Tool[]): Promise<TestDesk> {
  const desk = await startDesk({ config: { limits: { ...DEFAULT_LIMITS, ...limits } }, deps: tools ? { tools } : {} });
  opened.push(() => desk.close());
  return desk;
}

function heldClock(): HeldClock {
  const clock = holdClock();
  opened.push(() => clock.release());
  return clock;
}

const statuses = async (calls: Promise<{ status: number }>[]) => (await Promise.all(calls)).map(({ status }) => status);

/** Calls one after another. @returns the status of each */
async function repeated(times: number, send: () => Promise<{ status: number }>): Promise<number[]> {
  const seen: number[] = [];
  for (let round = 0; round < times; round += 1) seen.push((await send()).status);
  return seen;
}

describe('SP-30 rate limits', () => {
  test.each(ERAS)('a caller over its budget: 429 with Retry-After and a JSON-RPC error (%s)', async (era) => {
    const clock = heldClock();
    const desk = await deskWith({ user: { pointsPerMinute: 3, pointsPerDay: 100 } }, [testTool('whoami')]);
    const token = await desk.token('desk:read');
    const send = () => call(desk, { token, era, name: 'whoami' });
    expect(await repeated(3, send)).toEqual([200, 200, 200]);
    clock.pass(20);
    const refused = await send();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('40');
    expect(refused.headers.get('content-type')).toContain('application/json');
    expect(refused.message).toMatchObject({
      id: 1,
      error: {
        code: -32010,
        data: { reason: 'user-budget', retryAfterSeconds: 40, correlationId: expect.any(String) },
      },
    });
    const other = await desk.token('desk:read', { sub: 'user-2' });
    expect(await statuses([call(desk, { token: other, era, name: 'whoami' })])).toEqual([200]);
    clock.pass(41);
    expect(await statuses([send()])).toEqual([200]);
  });

  test('a call costs what its tool declares, and every other request one point', async () => {
    const desk = await deskWith({ user: { pointsPerMinute: 10, pointsPerDay: 100 } }, [
      testTool('dear', { cost: 4 }),
      testTool('cheap'),
    ]);
    const token = await desk.token('desk:read');
    expect(await repeated(3, () => call(desk, { token, name: 'dear' }))).toEqual([200, 200, 429]);
    const other = await desk.token('desk:read', { sub: 'user-2' });
    const lists = await repeated(11, () => ask(desk, { token: other, era: '2025-11-25', method: 'tools/list' }));
    expect(lists.indexOf(429)).toBe(10);
    expect(await statuses([call(desk, { token: other, name: 'cheap' })])).toEqual([429]);
  });

  test('a message that asks for no answer costs a point too', async () => {
    const desk = await deskWith({ user: { pointsPerMinute: 10, pointsPerDay: 100 } });
    const token = await desk.token('desk:read');
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
    expect(await repeated(11, () => post(desk, { token, body }))).toEqual([...Array(10).fill(202), 429]);
  });

  test('a tool is limited for each user by itself, and may declare less than usual', async () => {
    const desk = await deskWith({ toolCallsPerMinute: 2 }, [
      testTool('rare', { callsPerMinute: 1 }),
      testTool('usual'),
    ]);
    const token = await desk.token('desk:read');
    expect(await repeated(2, () => call(desk, { token, name: 'rare' }))).toEqual([200, 429]);
    expect(await repeated(3, () => call(desk, { token, name: 'usual' }))).toEqual([200, 200, 429]);
    const other = await desk.token('desk:read', { sub: 'user-2' });
    expect(await statuses([call(desk, { token: other, name: 'rare' })])).toEqual([200]);
  });

  test('a client is limited over all of its users', async () => {
    const desk = await deskWith({ client: { pointsPerMinute: 2, pointsPerDay: 100 } });
    const users = await Promise.all(
      ['user-1', 'user-2', 'user-3'].map((sub) => desk.token('desk:read', { sub, client_id: 'busy' })),
    );
    expect(await repeated(3, () => call(desk, { token: users.shift() ?? '', name: 'whoami' }))).toEqual([
      200, 200, 429,
    ]);
    const elsewhere = await desk.token('desk:read', { sub: 'user-3', client_id: 'idle' });
    expect(await statuses([call(desk, { token: elsewhere, name: 'whoami' })])).toEqual([200]);
  });

  test('a day has a budget too, which refused calls take nothing of', async () => {
    const clock = heldClock();
    const desk = await deskWith({ user: { pointsPerMinute: 2, pointsPerDay: 4 } }, [testTool('whoami')]);
    const send = async () => call(desk, { token: await desk.token('desk:read'), name: 'whoami' });
    expect(await repeated(4, send)).toEqual([200, 200, 429, 429]);
    clock.pass(61);
    expect(await repeated(2, send)).toEqual([200, 200]);
    clock.pass(61);
    const refused = await send();
    expect(refused.message.error?.data).toMatchObject({ reason: 'user-day' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(86_000);
    clock.pass(24 * 3600);
    expect(await statuses([send()])).toEqual([200]);
  });

  test('calls that arrive together never exceed the budget', async () => {
    const desk = await deskWith({ user: { pointsPerMinute: 11, pointsPerDay: 100 } }, [testTool('dear', { cost: 2 })]);
    for (let round = 0; round < 5; round += 1) {
      const token = await desk.token('desk:read', { sub: `user-${round}`, client_id: `client-${round}` });
      const calls = Array.from({ length: 8 }, () => call(desk, { token, name: 'dear' }));
      expect((await statuses(calls)).sort()).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);
    }
  });

  test('nor on two replicas, where there can be two', async () => {
    const { databaseUrl } = (await deskWith({})).config;
    const own = memoryCounters();
    const replicas = [0, 1].map(() => {
      const counters = databaseUrl ? sharedCounters(databaseUrl, silentLogger) : own;
      opened.push(() => counters.close());
      return createCallLimits({ ...DEFAULT_LIMITS, user: { pointsPerMinute: 11, pointsPerDay: 100 } }, counters);
    });
    if (!databaseUrl) replicas.pop();
    for (let round = 0; round < rounds(50); round += 1) {
      const counted = Array.from({ length: 8 }, (_, index) =>
        replicas[index % replicas.length]?.count({ subject: `user-${round}`, clientId: `client-${round}`, cost: 2 }),
      );
      const admitted = (await Promise.all(counted)).filter((result) => result?.ok);
      expect(admitted).toHaveLength(5);
    }
  });

  test('an agent that calls a tool every second does not meet the limits as they come, nor one that calls ten at once', async () => {
    const desk = await deskWith({});
    const token = await desk.token('desk:read');
    const send = () => call(desk, { token, name: 'search_tickets', args: { limit: 1 } });
    const ten = async () => statuses(Array.from({ length: 10 }, send));
    for (let round = 0; round < 6; round += 1) expect(await ten()).toEqual(Array(10).fill(200));
  });

  test('while the database is away each replica counts by itself', async () => {
    const url = new Secret(`postgresql://nobody@127.0.0.1:${await findFreePort()}/nothing`);
    for (const counters of [sharedCounters(url, silentLogger), memoryCounters()]) {
      opened.push(() => counters.close());
      const limits = createCallLimits({ ...DEFAULT_LIMITS, user: { pointsPerMinute: 2, pointsPerDay: 9 } }, counters);
      const count = async () => (await limits.count({ subject: 'user-1', clientId: 'client-1', cost: 1 })).ok;
      expect([await count(), await count(), await count()]).toEqual([true, true, false]);
    }
  });

  test('real clients meet 429 as an error of HTTP with our words', async () => {
    const desk = await deskWith({ toolCallsPerMinute: 1 });
    const requestInit = { headers: { authorization: `Bearer ${await desk.token('desk:read')}` } };
    const v1 = new ClientV1({ name: 'test', version: '1' });
    const v2 = new ClientV2({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await v1.connect(new TransportV1(new URL(desk.url), { requestInit }) as Parameters<typeof v1.connect>[0]);
    await v2.connect(new TransportV2(new URL(desk.url), { requestInit }));
    opened.push(
      () => v1.close(),
      () => v2.close(),
    );
    await v1.callTool({ name: 'whoami', arguments: {} });
    for (const client of [v1, v2]) {
      await expect(client.callTool({ name: 'whoami', arguments: {} })).rejects.toThrow(
        /called too often within a minute/,
      );
    }
  });
});

describe('SP-30 a time-out for every handler', () => {
  test.each(ERAS)('a stuck handler is cancelled, answers isError and holds no place (%s)', async (era) => {
    const signals: AbortSignal[] = [];
    const stuck = testTool('stuck', {
      run: (_args, { signal }) => {
        signals.push(signal);
        return new Promise(() => {});
      },
    });
    const desk = await deskWith({ toolTimeoutMs: 50, userCallsAtOnce: 1 }, [stuck]);
    const token = await desk.token('desk:read');
    for (const _round of [1, 2]) {
      const { status, message } = await call(desk, { token, era, name: 'stuck' });
      expect({ status, message }).toMatchObject({ status: 200, message: { result: { isError: true } } });
      expect(JSON.stringify(message)).toContain('did not finish in time');
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test.each(ERAS)('a caller that goes away ends the work (%s)', async (era) => {
    let stopped: () => void = () => {};
    const gone = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    let begun: () => void = () => {};
    const began = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const waiting = testTool('waiting', {
      run: (_args, { signal }) => {
        signal.addEventListener('abort', stopped);
        begun();
        return new Promise(() => {});
      },
    });
    const desk = await deskWith({ userCallsAtOnce: 1, toolTimeoutMs: 300_000 }, [waiting, testTool('quick')]);
    const token = await desk.token('desk:read');
    const leaving = new AbortController();
    const call1 = call(desk, { token, era, name: 'waiting', signal: leaving.signal }).catch(() => 'left');
    await began;
    leaving.abort();
    await gone;
    expect(await call1).toBe('left');
    expect(await statuses([call(desk, { token, era, name: 'quick' })])).toEqual([200]);
  });
});

describe('SP-30 calls at the same time', () => {
  test('one user has so many places, and all together have so many', async () => {
    const ends: (() => void)[] = [];
    const slow = testTool('slow', {
      run: async () => {
        await new Promise<void>((resolve) => ends.push(resolve));
        return { ok: true, value: {} };
      },
    });
    const desk = await deskWith({ userCallsAtOnce: 2, callsAtOnce: 3 }, [slow, testTool('quick')]);
    const [one, two] = await Promise.all([desk.token('desk:read'), desk.token('desk:read', { sub: 'user-2' })]);
    const running = [one, one, two].map((token) => call(desk, { token, name: 'slow' }));
    while (ends.length < 3) await new Promise((resolve) => setImmediate(resolve));
    const own = await call(desk, { token: one, name: 'quick' });
    expect([own.status, own.headers.get('retry-after'), own.message.error?.data?.reason]).toEqual([
      429,
      '1',
      'user-calls-at-once',
    ]);
    const full = await call(desk, { token: two, name: 'quick' });
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '1']);
    for (const end of ends) end();
    expect(await statuses(running)).toEqual([200, 200, 200]);
    expect(await statuses([call(desk, { token: one, name: 'quick' })])).toEqual([200]);
  });

  test('a call that the protocol refuses gives its place back', async () => {
    const desk = await deskWith({ userCallsAtOnce: 1 });
    const token = await desk.token('desk:read');
    for (const _round of [1, 2, 3]) {
      const refused = await call(desk, { token, name: 'search_tickets', args: { limit: 'many' } });
      expect(refused.message.error?.code).toBe(-32602);
    }
    expect(await statuses([call(desk, { token, name: 'whoami' })])).toEqual([200]);
  });
});

describe('SP-30 subscriptions at the same time', () => {
  const admissions = () => {
    const limits = createCallLimits(
      { ...DEFAULT_LIMITS, user: { pointsPerMinute: 10_000, pointsPerDay: 10_000 } },
      memoryCounters(),
    );
    return createAdmissions(limits, {
      calls: callSlots(DEFAULT_LIMITS),
      subscriptions: subscriptionSlots(DEFAULT_LIMITS),
    });
  };

  test('one user has so many places of them, and neither the others nor the calls of that user lose theirs', async () => {
    const { judge } = admissions();
    const [greedy, other] = ['user-1', 'user-2'].map((subject) => ({ subject, clientId: 'client-1' }));
    if (!greedy || !other) throw new Error('there is nobody');
    const tries = await Promise.all(Array.from({ length: 300 }, () => judge(greedy, 'subscription')));
    const places = tries.filter(({ ok }) => ok);
    expect(places).toHaveLength(DEFAULT_LIMITS.userSubscriptions);
    const refused = { ok: false, refusal: { reason: 'user-subscriptions', retryAfterSeconds: 60 } };
    for (const one of tries.slice(DEFAULT_LIMITS.userSubscriptions)) expect(one).toEqual(refused);
    expect(await judge(other, 'subscription')).toMatchObject({ ok: true });
    expect(await judge(greedy, testTool('quick'))).toMatchObject({ ok: true });
    expect(await judge(greedy, undefined)).toMatchObject({ ok: true });
    // A place that is given back, also twice, is one place.
    const [first] = places;
    if (first?.ok) for (const _again of [1, 2]) first.release();
    expect(await judge(greedy, 'subscription')).toMatchObject({ ok: true });
    expect(await judge(greedy, 'subscription')).toEqual(refused);
  });

  test('many users have all of them', async () => {
    const { judge } = admissions();
    const tries = [];
    for (let nth = 0; nth < DEFAULT_LIMITS.subscriptions + 3; nth++)
      tries.push(await judge({ subject: `user-${nth}`, clientId: 'client-1' }, 'subscription'));
    expect(tries.filter(({ ok }) => ok)).toHaveLength(DEFAULT_LIMITS.subscriptions);
    expect(tries.at(-1)).toMatchObject({ ok: false, refusal: { reason: 'subscriptions' } });
  });

  const listenAt = async (desk: TestDesk) => {
    const token = await desk.token('desk:read');
    const params = { notifications: { toolsListChanged: true } };
    return () => ask(desk, { token, era: '2026-07-28', method: 'subscriptions/listen', params });
  };

  test('whoever has no place is told so, and the limit is counted', async () => {
    const port = await findFreePort();
    const desk = await startDesk({
      config: {
        limits: { ...DEFAULT_LIMITS, userSubscriptions: 0 },
        metrics: { host: '127.0.0.1', port },
      },
    });
    opened.push(() => desk.close());
    const { status, headers, message } = await (await listenAt(desk))();
    expect([status, headers.get('retry-after'), message.error?.data?.reason]).toEqual([
      429,
      '60',
      'user-subscriptions',
    ]);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toMatch(/^portcullis_limiter_hits_total\{limit="user-subscriptions"\} 1$/m);
  });

  test('a subscription that has nothing to tell ends, and gives its place back', async () => {
    const listen = await listenAt(await deskWith({}));
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(Array.from({ length: DEFAULT_LIMITS.userSubscriptions }, listen));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    }
  });
});

describe('SP-30 caps on what a call gives', () => {
  test.each(ERAS)('an answer over the size cap is kept back (%s)', async (era) => {
    const large = defineTool({
      ...{ name: 'large', title: 'Large', description: 'Gives much.', scopes: 'any-valid-token' },
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      input: z.strictObject({ size: z.int() }),
      output: z.strictObject({ text: z.string() }),
      run: async ({ size }) => ({ ok: true, value: { text: 'é'.repeat(size) } }),
    });
    const desk = await deskWith({ resultSizeBytes: 2048 }, [large]);
    const token = await desk.token('desk:read');
    const small = await call(desk, { token, era, name: 'large', args: { size: 1000 } });
    expect(small.message.result?.isError).toBeUndefined();
    const over = await call(desk, { token, era, name: 'large', args: { size: 1025 } });
    expect(over.message.result).toMatchObject({ isError: true });
    expect(over.text).not.toContain('éé');
  });

  test('the server does not start with a tool that limits nothing', async () => {
    const limit = (schema: z.ZodType) => ({ input: z.strictObject({ limit: schema }) });
    const start = (tool: Tool) => deskWith({}, [tool]);
    await expect(start(testTool('free', { cost: 0 }))).rejects.toThrow('Tool free: the cost must be');
    await expect(start(testTool('never', { callsPerMinute: 0 }))).rejects.toThrow('Tool never: callsPerMinute');
    await expect(start(testTool('dear', { cost: 601 }))).rejects.toThrow('PORTCULLIS_MCP_USER_POINTS_PER_MINUTE');
    for (const schema of [z.int().min(1), z.int().max(1000)]) {
      const endless = defineTool({ ...listTool, ...limit(schema) });
      await expect(start(endless)).rejects.toThrow('Tool list: the argument "limit" must have a maximum of 100');
    }
  });
});

const listTool = {
  ...{ name: 'list', title: 'List', description: 'Lists.', scopes: 'any-valid-token' as const },
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  output: z.strictObject({}),
  run: async () => ({ ok: true as const, value: {} }),
};
