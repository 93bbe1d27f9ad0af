import { Agent, request as httpRequest } from 'node:http';
import { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createLogger } from '@portcullis/platform';
import { z } from 'zod';
import { defineTool } from '../src/tools/tool.ts';
import { startDesk, type TestDesk } from './support/desk.ts';
import { ask, call, ERAS, post } from './support/messages.ts';

const log: string[] = [];
const destination = new Writable({
  write(chunk, _encoding, done) {
    log.push(String(chunk));
    done();
  },
});

let desk: TestDesk;
let reader: string;
let writer: string;

beforeAll(async () => {
  desk = await startDesk({ deps: { logger: createLogger({ name: 'test', level: 'trace', destination }) } });
  reader = await desk.token('desk:read');
  writer = await desk.token('desk:read desk:write');
});

afterAll(() => desk.close());

const request = (id: number, name: string, args: unknown = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

async function replies(marker: string): Promise<number> {
  const { message } = await call(desk, { token: reader, name: 'search_tickets', args: { query: marker } });
  const tickets = message.result?.structuredContent?.tickets;
  return Array.isArray(tickets) ? tickets.length : Number.NaN;
}

describe('TR-27 a batch', () => {
  test.each([
    ['that hides a call its token may not make', 'desk:read'],
    ['of calls that its token may make', 'desk:read desk:write'],
  ])('%s is refused whole, and nothing of it happens', async (_title, scope) => {
    const marker = `batch of ${scope.length}`;
    const batch = [request(1, 'whoami'), request(2, 'reply_to_ticket', { ticketId: 'T-1001', body: marker })];
    const headers = { 'mcp-protocol-version': '2025-03-26' };
    const answer = await post(desk, { token: await desk.token(scope), body: JSON.stringify(batch), headers });
    expect(answer.status).toBe(400);
    expect(answer.message.error).toMatchObject({ code: -32600 });
    expect(await replies(marker)).toBe(0);
  });

  test.each(['[]', '[1]', '[[]]'])('%s is refused too', async (body) => {
    const answer = await post(desk, { token: reader, body });
    expect(answer.status).toBe(400);
    expect(answer.message.error).toMatchObject({ code: -32600 });
  });
});

describe('the body decides, and no header', () => {
  test('TR-12 a harmless Mcp-Name does not carry another call past the scope', async () => {
    const body = JSON.stringify(request(1, 'reply_to_ticket', { ticketId: 'T-1001', body: 'smuggled' }));
    const headers = { 'mcp-method': 'tools/call', 'mcp-name': 'whoami', 'mcp-protocol-version': '2025-11-25' };
    const answer = await post(desk, { token: reader, body, headers });
    expect(answer.status).toBe(403);
    expect(await replies('smuggled')).toBe(0);
  });

  test('TR-12 in the new era a header that says otherwise is refused', async () => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const message = { ...request(1, 'search_tickets'), params: { name: 'search_tickets', arguments: {}, _meta: meta } };
    const headers = { 'mcp-method': 'tools/call', 'mcp-name': 'whoami', 'mcp-protocol-version': '2026-07-28' };
    const answer = await post(desk, { token: reader, body: JSON.stringify(message), headers });
    expect(answer.status).toBe(400);
    expect(answer.message.error).toMatchObject({ code: -32020 });
  });

  test('a call without an id is a notification and does nothing', async () => {
    const { id: _, ...notification } = request(1, 'reply_to_ticket', { ticketId: 'T-1001', body: 'quietly' });
    for (const token of [reader, writer]) await post(desk, { token, body: JSON.stringify(notification) });
    expect(await replies('quietly')).toBe(0);
  });

  test('a key that is there twice is read once, by judge and tool alike', async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"reply_to_ticket","arguments":{"ticketId":"T-1001","body":"doubled key"}}}';
    const answer = await post(desk, { token: reader, body });
    expect(answer.status).toBe(403);
    expect(await replies('doubled key')).toBe(0);
  });
});

describe('what is no proper message gets a proper refusal', () => {
  test('TR-6 another content type: 415', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
      const answer = await post(desk, { token: reader, body: '{}', headers: { 'content-type': type } });
      expect(answer.status).toBe(415);
    }
  });

  test.each([
    '',
    '{',
    'null',
    '1',
    '"text"',
    '{}',
    '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  ])('malformed body %#: 400 with a JSON-RPC error', async (body) => {
    const answer = await post(desk, { token: reader, body });
    expect(answer.status).toBe(400);
    expect(answer.message).toMatchObject({ jsonrpc: '2.0', error: { code: expect.any(Number) } });
    expectNothingInternal(answer.text);
  });

  test('a body over the limit: 413, however it announces itself', async () => {
    const body = JSON.stringify(request(1, 'search_tickets', { query: 'x'.repeat(1024 * 1024) }));
    expect((await post(desk, { token: reader, body })).status).toBe(413);
    const chunked = await fetch(desk.url, {
      method: 'POST',
      body: new Blob([body]).stream(),
      duplex: 'half',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${reader}` },
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  test('a refused body does not block the connection for the request after it', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = (size: number, announced: boolean) =>
      new Promise<number | undefined>((resolve, reject) => {
        const headers = { 'content-type': 'application/json', authorization: `Bearer ${reader}` };
        const length = announced ? { 'content-length': size } : {};
        const out = httpRequest(desk.url, { method: 'POST', agent, headers: { ...headers, ...length }, timeout: 4000 });
        out.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
        out.on('timeout', () => out.destroy(new Error('no answer')));
        out.on('error', reject).end(Buffer.alloc(size, ' '));
      });
    for (const announced of [true, false, true]) {
      expect(await send(2 * 1024 * 1024, announced)).toBe(413);
      expect(await send(2, announced)).toBe(400);
    }
    agent.destroy();
  });

  test('TR-20, TR-23, TR-28: GET and DELETE get 405: there are no sessions, and no transport of 2024-11-05', async () => {
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: `Bearer ${reader}`, accept: 'text/event-stream' };
      const response = await fetch(desk.url, { method, headers });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toContain('POST');
    }
  });

  test('TR-26 an unknown protocol version: 400', async () => {
    for (const version of ['1999-01-01', 'banana']) {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
      const answer = await post(desk, { token: reader, body, headers: { 'mcp-protocol-version': version } });
      expect(answer.status).toBe(400);
    }
  });

  test('TR-11 a version of the new era that this server does not speak: 400 with those it does', async () => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2027-01-01',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } });
    const answer = await post(desk, {
      token: reader,
      body,
      headers: { 'mcp-protocol-version': '2027-01-01', 'mcp-method': 'tools/list' },
    });
    expect(answer.status).toBe(400);
    expect(answer.message.error).toMatchObject({ code: -32022, data: { supported: ['2026-07-28'] } });
  });

  test('an unknown path: 404, without a word about what runs here', async () => {
    const response = await fetch(new URL('/mcp/', desk.url), { headers: { authorization: `Bearer ${reader}` } });
    expect(response.status).toBe(404);
  });
});

test.each(ERAS)(
  'SP-27 a fault inside a tool (%s) is told in general words, and in full only to the log',
  async (era) => {
    const broken = defineTool({
      name: 'broken',
      title: 'Broken',
      description: 'Fails.',
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
      scopes: 'any-valid-token',
      input: z.strictObject({}),
      output: z.strictObject({}),
      run: () => Promise.reject(new Error('secret detail of the fault')),
    });
    const faulty = await startDesk({
      deps: { tools: [broken], logger: createLogger({ name: 'test', level: 'info', destination }) },
    });
    try {
      const answer = await call(faulty, { token: await faulty.token('desk:read'), era, name: 'broken' });
      const correlationId = answer.headers.get('x-correlation-id') ?? '';
      expect(answer.message.result).toMatchObject({ isError: true });
      expect(answer.text).toContain(correlationId);
      expect(answer.text).not.toContain('secret detail');
      expect(log.some((line) => line.includes(correlationId) && line.includes('secret detail'))).toBe(true);
    } finally {
      await faulty.close();
    }
  },
);

describe('RS-26 the timer that ends a stream with its token', () => {
  const DAY_MS = 24 * 3600 * 1000;
  const lasting = () => desk.token('desk:read', { exp: Math.floor((Date.now() + DAY_MS) / 1000) });

  /** The timers that last as long as the token. */
  async function timersOf(asking: () => Promise<unknown>): Promise<NodeJS.Timeout[]> {
    const set = jest.spyOn(globalThis, 'setTimeout');
    try {
      await asking();
      return set.mock.calls.flatMap(([, ms], index) =>
        (ms ?? 0) > DAY_MS / 2 ? [set.mock.results[index]?.value as NodeJS.Timeout] : [],
      );
    } finally {
      set.mockRestore();
    }
  }

  test.each(ERAS)('is not there for an answer that ends by itself (%s)', async (era) => {
    const token = await lasting();
    const timers = await timersOf(async () => {
      await call(desk, { token, era, name: 'whoami' });
      await ask(desk, { token, era, method: 'tools/list' });
      await post(desk, { token, body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) });
    });
    expect(timers).toEqual([]);
  });

  test('goes with the stream, and so does the list that Node.js keeps for it', async () => {
    const token = await lasting();
    const params = { notifications: { toolsListChanged: true } };
    const cleared = jest.spyOn(globalThis, 'clearTimeout');
    try {
      const timers = await timersOf(() =>
        ask(desk, { token, era: '2026-07-28', method: 'subscriptions/listen', params }),
      );
      expect(timers).toHaveLength(1);
      const isCleared = () => cleared.mock.calls.some(([timer]) => timer === timers[0]);
      for (let looks = 0; looks < 200 && !isCleared(); looks += 1) await pause(10);
      expect(isCleared()).toBe(true);
      // Node.js keeps the empty list of a timer that had been told to keep nothing alive.
      expect(timers.map((timer) => timer.hasRef())).toEqual([true]);
    } finally {
      cleared.mockRestore();
    }
  });
});

describe('SP-20 and SP-27 logs and answers', () => {
  test('each answer carries a correlation id of its own, which a client cannot choose', async () => {
    const answers = [
      await post(desk, { body: '{}' }),
      await post(desk, { token: reader, body: '{' }),
      await ask(desk, { token: reader, era: '2026-07-28', method: 'tools/list' }),
      await post(desk, { token: reader, body: '[]', headers: { 'x-correlation-id': 'mine' } }),
    ];
    const ids = answers.map(({ headers }) => headers.get('x-correlation-id'));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('no token and no argument ever reaches the log', async () => {
    const token = await desk.token('desk:read desk:write');
    await call(desk, { token, name: 'reply_to_ticket', args: { ticketId: 'T-1001', body: 'for the customer alone' } });
    await call(desk, { token, name: 'search_tickets', args: { query: 'for the customer alone', limit: 0 } });
    await post(desk, { token: `${token}x`, body: '{}' });
    await fetch(`${desk.url}?access_token=${token}`, { method: 'POST', body: '{}' });
    const text = log.join('');
    expect(text).toContain('"tool":"reply_to_ticket"');
    expect(text).not.toContain('for the customer alone');
    expect(text).not.toContain(token.split('.')[1]);
    expect(text).not.toContain(token.split('.')[2]);
  });
});

function expectNothingInternal(text: string): void {
  expect(text).not.toMatch(/node_modules|\.ts:|\.js:|at [A-Za-z]+ \(/);
}
