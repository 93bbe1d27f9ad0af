import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { CLIENT_CAPABILITIES_META_KEY, type ServerContext } from '@modelcontextprotocol/server';
import { Secret } from '@portcullis/platform';
import { findFreePort, rounds } from '@portcullis/test-database';
import { z } from 'zod';
import { readConfig } from '../src/config.ts';
import { type ClientForm, stateKey } from '../src/confirmation/client-form.ts';
import { createConfirmation } from '../src/confirmation/confirmation.ts';
import { sharedCounters } from '../src/policy/counters.ts';
import { DEFAULT_LIMITS } from '../src/policy/limits.ts';
import { defineTool, type ToolPrincipal } from '../src/tools/tool.ts';
import { startDesk, type TestDesk } from './support/desk.ts';
import { type HeldClock, holdClock } from './support/held-clock.ts';
import { type Answer, ask, call, ERAS } from './support/messages.ts';
import { silentLogger } from './support/silent-logger.ts';

const runs: unknown[] = [];
const wipe = defineTool({
  ...{ name: 'wipe', title: 'Wipe the disk', description: 'Dangerous.', scopes: ['desk:read'] },
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  confirmation: 'required',
  input: z.strictObject({ disk: z.string(), slowly: z.boolean().default(false) }),
  output: z.strictObject({}),
  run: async (args) => {
    runs.push(args);
    return { ok: true, value: {} };
  },
});

let desk: TestDesk;
let token: string;
let clock: HeldClock | undefined;

beforeAll(async () => {
  const limits = { ...DEFAULT_LIMITS, user: { pointsPerMinute: 6000, pointsPerDay: 100_000 } };
  desk = await startDesk({ deps: { tools: [wipe] }, config: { limits } });
  token = await desk.token('desk:read');
});
afterAll(() => desk?.close());
afterEach(() => {
  runs.length = 0;
  clock?.release();
  clock = undefined;
});

const YES = { confirm: { action: 'accept', content: { confirm: true } } };

type Round = { token?: string; disk?: string; state?: unknown; responses?: unknown; elicitation?: unknown };

/** One request of a client that can show forms, unless `elicitation` says otherwise. */
function send({ disk = 'a', state, responses, elicitation = { form: {} }, ...o }: Round = {}): Promise<Answer> {
  const params = {
    ...{ name: 'wipe', arguments: { disk } },
    ...(state !== undefined && { requestState: state }),
    ...(responses !== undefined && { inputResponses: responses }),
  };
  const capabilities = { elicitation };
  return ask(desk, { token: o.token ?? token, era: '2026-07-28', method: 'tools/call', params, capabilities });
}

/** Makes a call without an answer, and takes the state that comes back. */
async function asked(round: Round = {}): Promise<string> {
  const { message, text } = await send(round);
  const state = message.result?.requestState;
  if (message.result?.resultType !== 'input_required' || typeof state !== 'string') throw new Error(text);
  return state;
}

describe('SP-29 a dangerous call needs the user’s word for that very call, by the client where it can ask', () => {
  test('the client asks in a form that shows tool and arguments, and the call is made once', async () => {
    const first = await send();
    expect(first.message.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: {
        confirm: {
          method: 'elicitation/create',
          params: {
            message: 'Allow this once? Wipe the disk (wipe)\ndisk: "a"\nslowly: false',
            requestedSchema: { required: ['confirm'] },
          },
        },
      },
    });
    expect(runs).toEqual([]);
    const state = first.message.result?.requestState;
    const done = await send({ state, responses: YES });
    expect(done.message.result?.isError).toBeUndefined();
    expect(runs).toEqual([{ disk: 'a', slowly: false }]);
  });

  test.each<[string, unknown]>([
    ['decline', { confirm: { action: 'decline' } }],
    ['cancel', { confirm: { action: 'cancel' } }],
    ['an empty form', { confirm: { action: 'accept', content: {} } }],
    ['an unticked box', { confirm: { action: 'accept', content: { confirm: false } } }],
    ['a word for a tick', { confirm: { action: 'accept', content: { confirm: 'true' } } }],
    ['an answer to another question', { other: { action: 'accept', content: { confirm: true } } }],
    ['no answer', undefined],
  ])('%s is no agreement, and its question is over', async (_what, responses) => {
    const state = await asked();
    const refused = await send({ state, responses });
    expect(refused.message.result).toMatchObject({ isError: true });
    expect((await send({ state, responses: YES })).message.result).toMatchObject({ isError: true });
    expect(runs).toEqual([]);
  });

  test('text that poses as another line, or turns the line round, is shown as what it is', async () => {
    const { message } = await send({ disk: 'b\nslowly: true\u202e' });
    expect(JSON.stringify(message)).toContain('b\\\\nslowly: true\uFFFD');
  });

  test('a call that does not fit is not asked about', async () => {
    const answer = await call(desk, { token, era: '2026-07-28', name: 'wipe', args: { disk: 1 } });
    expect(answer.message.error?.code).toBe(-32602);
  });

  test.each(ERAS)('where nobody can be asked, nothing is done (%s)', async (era) => {
    const answer = await call(desk, { token, era, name: 'wipe', args: { disk: 'a' } });
    expect(answer.message.result).toMatchObject({ isError: true });
    expect(answer.text).toContain('cannot be asked');
    expect(runs).toEqual([]);
  });
});

test('a machine has no user: it is shown no form that it would fill in itself', async () => {
  const machine = await desk.token('desk:read', { sub: 'machine-1', client_id: 'machine-1', roles: undefined });
  const answer = await send({ token: machine });
  expect(answer.message.result).toMatchObject({ isError: true });
  expect(answer.text).toContain('cannot be asked');
  expect(runs).toEqual([]);
});

test.each<[string, Partial<ToolPrincipal>, string]>([
  ['an app that its user let in', {}, 'asked'],
  ['whoever holds a personal access token', { credential: 'personal_access_token' }, 'nobody-to-ask'],
  ['a machine', { clientId: 'user-1' }, 'nobody-to-ask'],
  ['a token that names no roles', { roles: undefined }, 'nobody-to-ask'],
])('%s is asked by a form, or not: %j', async (_who, change, reason) => {
  const form: ClientForm = {
    verify: () => Promise.reject(new Error('no state was sent')),
    takeOrAsk: async () => ({ given: false, reason: 'asked', where: { by: 'client', state: 'sealed' } }),
  };
  const { consentTo } = createConfirmation({ policy: 'client', form, page: undefined });
  const who = { subject: 'user-1', clientId: 'client-1', scopes: [], roles: ['agent'], expiresAt: new Date() };
  const principal: ToolPrincipal = { credential: 'access_token', ...who, ...change };
  const asked = { tool: { name: 'wipe', title: 'Wipe' }, arguments: {}, principal, signal: AbortSignal.timeout(1000) };
  const envelope = { [CLIENT_CAPABILITIES_META_KEY]: { elicitation: { form: {} } } };
  const context = { mcpReq: { envelope } } as unknown as ServerContext;
  expect(await consentTo(asked, context)).toMatchObject({ given: false, reason });
});

describe('RS-30 requestState is the attacker’s', () => {
  test('an answer without a state is a call like any other', async () => {
    await asked({ responses: YES });
    expect(runs).toEqual([]);
  });

  test('a state that was made up, changed or cut is refused', async () => {
    const state = await asked();
    const [version = '', body = '', mac = ''] = state.split('.');
    const payload = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
    const later = Buffer.from(JSON.stringify({ ...payload, exp: payload.exp + 3600 })).toString('base64url');
    const forged = ['x', '', `${version}.${later}.${mac}`, `${version}.${body}.`, state.slice(0, -2), `${state}A`];
    for (const wrong of forged) {
      const answer = await send({ state: wrong, responses: YES });
      expect(answer.message.error?.code ?? answer.message.result?.resultType).toEqual(
        wrong === '' ? expect.anything() : -32602,
      );
    }
    expect(runs).toEqual([]);
  });

  test.each<[string, Record<string, string>]>([
    ['another user', { sub: 'user-2' }],
    ['another client', { client_id: 'client-2' }],
    ['another connection of the same client', { gid: 'grant-2' }],
  ])('the state of one caller is nothing to %s', async (_who, claims) => {
    const state = await asked();
    const other = await desk.token('desk:read', claims);
    expect((await send({ token: other, state, responses: YES })).message.error?.code).toBe(-32602);
    expect(runs).toEqual([]);
    await send({ state, responses: YES });
    expect(runs).toHaveLength(1);
  });

  test('changed arguments are another call', async () => {
    const state = await asked();
    expect((await send({ disk: 'b', state, responses: YES })).message.result).toMatchObject({ isError: true });
    expect(runs).toEqual([]);
  });

  test('a state is used once', async () => {
    const state = await asked();
    for (const _round of [1, 2, 3]) await send({ state, responses: YES });
    expect(runs).toHaveLength(1);
  });

  test('of eight uses at once one is made', async () => {
    for (let round = 0; round < rounds(20); round += 1) {
      runs.length = 0;
      const state = await asked();
      await Promise.all(Array.from({ length: 8 }, () => send({ state, responses: YES })));
      expect(runs).toHaveLength(1);
    }
  });

  test('a state is over after five minutes', async () => {
    clock = holdClock();
    const fresh = () => desk.token('desk:read');
    const [kept, late] = [await asked({ token: await fresh() }), await asked({ token: await fresh() })];
    clock.pass(290);
    await send({ token: await fresh(), state: kept, responses: YES });
    expect(runs).toHaveLength(1);
    clock.pass(20);
    expect((await send({ token: await fresh(), state: late, responses: YES })).message.error?.code).toBe(-32602);
    expect(runs).toHaveLength(1);
  });

  test('an answer that cannot be counted is not taken', async () => {
    const url = new Secret(`postgresql://nobody@127.0.0.1:${await findFreePort()}/nothing`);
    const counters = sharedCounters(url, silentLogger);
    const used = counters.counter({ name: 'used', points: 1, windowSeconds: 60, whenAway: 'fail' });
    await expect(used.take('state', 1)).rejects.toThrow();
    await counters.close();
  });

  test('replicas share the key that they derive from their secret, and nobody else has it', () => {
    const key = (clientSecret: string | undefined, databaseUrl: string | undefined) =>
      stateKey({
        clientSecret: clientSecret === undefined ? undefined : new Secret(clientSecret),
        databaseUrl: databaseUrl === undefined ? undefined : new Secret(databaseUrl),
      }).toString('hex');
    expect(key('one', 'postgresql://a')).toBe(key('one', 'postgresql://b'));
    expect(key('one', 'postgresql://a')).not.toBe(key('two', 'postgresql://a'));
    // One process: what it remembers of used states ends with it, and so does its key.
    expect(key('one', undefined)).not.toBe(key('one', undefined));
    expect(key(undefined, 'postgresql://a')).not.toBe(key(undefined, 'postgresql://a'));
  });
});

test('a page alone may be asked for, where there is a secret to ask with', () => {
  expect(readConfig({}).confirmation).toBe('client');
  const page = { PORTCULLIS_MCP_CONFIRMATION: 'page' };
  expect(() => readConfig(page)).toThrow('PORTCULLIS_MCP_CONFIRMATION');
  expect(readConfig({ ...page, PORTCULLIS_MCP_CLIENT_SECRET: 's'.repeat(32) }).confirmation).toBe('page');
});

test('with the page alone, a client that can show forms asks nobody', async () => {
  const strict = await startDesk({ deps: { tools: [wipe] }, config: { confirmation: 'page' } });
  try {
    const params = { name: 'wipe', arguments: { disk: 'a' } };
    const capabilities = { elicitation: { form: {} } };
    const own = await strict.token('desk:read');
    const answer = await ask(strict, { token: own, era: '2026-07-28', method: 'tools/call', params, capabilities });
    expect(answer.message.result).toMatchObject({ isError: true });
  } finally {
    await strict.close();
  }
});

test('real SDK v2, 2026-07-28: the client shows the form, and the call is made', async () => {
  const messages: string[] = [];
  const app = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: 'auto' } },
  );
  app.setRequestHandler('elicitation/create', ({ params }) => {
    messages.push(params.message);
    return { action: 'accept', content: { confirm: messages.length === 1 } };
  });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await app.connect(new StreamableHTTPClientTransport(new URL(desk.url), { requestInit }));
  try {
    const wiping = { name: 'wipe', arguments: { disk: 'a' } };
    expect(await app.callTool(wiping)).toMatchObject({ structuredContent: {} });
    expect(await app.callTool(wiping)).toMatchObject({ isError: true });
    expect(runs).toHaveLength(1);
    expect(messages).toHaveLength(2);
  } finally {
    await app.close();
  }
});
