import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Declarations, declarationTable, type GuardOptions, type McpMessage } from '../src/index.ts';
import { deskFetch, documentation } from './examples/declarations.ts';
import { guarded } from './support/guarded.ts';
import { RESOURCE, startIssuer, type TestIssuer } from './support/issuer.ts';

const DECLARATIONS: Declarations = {
  tools: {
    whoami: { scopes: 'any-valid-token' },
    search: { scopes: ['desk:read'], baseline: true },
    reply: { scopes: ['desk:read', 'desk:write'], whenScopeMissing: 'challenge' },
    export: { scopes: ['desk:admin'] },
  },
  resources: {
    'desk://queue': { scopes: ['desk:read'] },
    'desk://queue/secret': { scopes: ['desk:admin'] },
    'ticket://{id}': { scopes: ['desk:read'] },
    'ticket://{id}/notes': { scopes: ['desk:write'], whenScopeMissing: 'challenge' },
    'file:///{+path}': { scopes: ['desk:read'] },
    'file:///secret': { scopes: ['desk:admin'] },
  },
  prompts: { summary: { scopes: ['desk:read'] }, reset: { scopes: ['desk:admin'] } },
  methods: { 'tasks/get': { scopes: ['desk:read'] } },
};

let issuer: TestIssuer;
let reader: string;
beforeAll(async () => {
  issuer = await startIssuer();
  reader = await issuer.sign({ claims: { scope: 'desk:read' } });
});
afterAll(() => issuer.close());

type Options = { token?: string; headers?: Record<string, string>; answer?: (message?: McpMessage) => Response };

/** Sends a body through a guard with declarations; `reached` is what the handler got. */
async function send(body: unknown, { token = reader, headers = {}, answer }: Options = {}, options = {}) {
  const { guard, refusals } = guarded(issuer.url, { ...settings, ...options });
  let reached: McpMessage | undefined;
  const request = new Request(RESOURCE, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const response = await guard.protect(request, (_request, _principal, message) => {
    reached = message;
    return answer?.(message) ?? Response.json({ jsonrpc: '2.0', id: 1, result: {} });
  });
  return { status: response.status, headers: response.headers, text: await response.text(), reached, refusals };
}

const settings: Partial<GuardOptions> = { declarations: DECLARATIONS };
const ask = (method: string, params: unknown = {}) => ({ jsonrpc: '2.0', id: 7, method, params });
const call = (name: unknown) => ask('tools/call', { name, arguments: {} });

describe('what a caller may use reaches the server, as the very message that was judged', () => {
  test.each([
    call('whoami'),
    call('search'),
    ask('resources/read', { uri: 'desk://queue' }),
    ask('resources/read', { uri: 'ticket://1001' }),
    ask('resources/subscribe', { uri: 'ticket://1001' }),
    ask('subscriptions/listen', { notifications: { resourceSubscriptions: ['ticket://1', 'desk://queue'] } }),
    ask('prompts/get', { name: 'summary' }),
    ask('completion/complete', { ref: { type: 'ref/prompt', name: 'summary' }, argument: { name: 'a', value: '' } }),
    ask('completion/complete', { ref: { type: 'ref/resource', uri: 'ticket://{id}' } }),
    ask('tasks/get', { taskId: '1' }),
    ask('initialize'),
    ask('ping'),
    ask('server/discover'),
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 3, result: {} },
  ])('%j', async (message) => {
    const answer = await send(message);
    expect([answer.status, answer.reached]).toEqual([200, message]);
  });
});

describe('RS-28, SP-25 what a caller may not know of is answered as what does not exist, and reaches nothing', () => {
  test.each<[string, string, unknown, unknown]>([
    ['tool', 'tools/call', { name: 'export' }, { name: 'nothing' }],
    ['resource', 'resources/read', { uri: 'desk://queue/secret' }, { uri: 'desk://nothing/there' }],
    ['resource', 'resources/subscribe', { uri: 'desk://queue/secret' }, { uri: 'desk://nothing/there' }],
    ['resource', 'resources/unsubscribe', { uri: 'desk://queue/secret' }, { uri: 'desk://nothing/there' }],
    [
      'resource',
      'subscriptions/listen',
      { notifications: { resourceSubscriptions: ['desk://queue', 'desk://queue/secret'] } },
      { notifications: { resourceSubscriptions: ['desk://queue', 'desk://nothing/there'] } },
    ],
    ['prompt', 'prompts/get', { name: 'reset' }, { name: 'nothing' }],
    [
      'prompt',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'reset' } },
      { ref: { type: 'ref/prompt', name: 'nothing' } },
    ],
    [
      'resource',
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'file:///secret' } },
      { ref: { type: 'ref/resource', uri: 'nothing://' } },
    ],
  ])('a %s by %s', async (kind, method, hidden, unknown) => {
    const answers = [await send(ask(method, hidden)), await send(ask(method, unknown))];
    const shapes = answers.map(({ status, text, reached, refusals }) => {
      const { id, error } = JSON.parse(text);
      const refusal = refusals[0];
      const name = refusal && 'name' in refusal ? refusal.name : '';
      return { status, id, code: error.code, message: error.message.replace(name, 'NAME'), reached };
    });
    const expected = { status: 200, id: 7, code: -32602, message: `Unknown ${kind}: NAME`, reached: undefined };
    expect(shapes).toEqual([expected, expected]);
    expect(answers.map(({ refusals }) => refusals[0]?.reason)).toEqual(['hidden', 'undeclared']);
  });

  const notNames: unknown[] = [7, null, ['search'], {}, { toString: 1 }, { toString: null, valueOf: null }];

  test.each(['__proto__', 'constructor', 'toString', 'Search', ' search', 'search ', '', ...notNames])(
    'no name but a declared one will do: %j',
    async (name) => {
      expect(await send(call(name))).toMatchObject({ reached: undefined, refusals: [{ reason: 'undeclared' }] });
    },
  );

  test.each([
    ask('tools/call'),
    ask('tools/call', null),
    ask('prompts/get', []),
    ask('completion/complete', { ref: 1 }),
  ])('a message that names nothing: %j', async (message) => {
    expect(await send(message)).toMatchObject({ reached: undefined, refusals: [{ reason: 'undeclared' }] });
  });

  test('a subscription list that is none', async () => {
    const message = ask('subscriptions/listen', { notifications: { resourceSubscriptions: 'desk://queue/secret' } });
    expect(await send(message)).toMatchObject({ reached: undefined, refusals: [{ reason: 'undeclared' }] });
  });

  test.each([
    ['2025-11-25', 200],
    ['2026-07-28', 404],
  ])('TR-14 a method that nobody declared, in %s: %d', async (version, status) => {
    const answer = await send(ask('tasks/result', {}), { headers: { 'mcp-protocol-version': version } });
    expect(answer).toMatchObject({ status, reached: undefined });
    expect(JSON.parse(answer.text)).toMatchObject({ id: 7, error: { code: -32601 } });
  });
});

test('a resource that is not there is named in the answer; in 2026-07-28 subscribing is no method at all', async () => {
  const headers = { 'mcp-protocol-version': '2026-07-28' };
  const read = await send(ask('resources/read', { uri: 'no://where' }), { headers });
  expect(JSON.parse(read.text).error).toEqual({
    code: -32602,
    message: 'Unknown resource: no://where',
    data: { uri: 'no://where' },
  });
  for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
    const answer = await send(ask(method, {}), { headers });
    expect(answer).toMatchObject({ status: 404, reached: undefined });
    expect(JSON.parse(answer.text)).toMatchObject({ id: 7, error: { code: -32601 } });
  }
});

describe('RS-18, RS-19, RS-20 a challenge names all that the operation needs, and the baseline', () => {
  test('of a tool', async () => {
    const answer = await send(call('reply'), { token: await issuer.sign({ claims: { scope: '' } }) });
    expect(answer).toMatchObject({ status: 403, reached: undefined });
    expect(answer.refusals).toEqual([{ reason: 'insufficient_scope', required: ['desk:read', 'desk:write'] }]);
    const challenge = answer.headers.get('www-authenticate');
    expect(challenge).toMatch(/^Bearer realm="mcp", error="insufficient_scope", /);
    expect(challenge).toContain('scope="desk:read desk:write"');
    expect(challenge).toContain('resource_metadata="https://mcp.example.com/.well-known/');
  });

  test('of a resource that two templates cover: of both', async () => {
    const answer = await send(
      ask('resources/read', { uri: 'ticket://1/notes' }),
      {},
      {
        declarations: {
          ...DECLARATIONS,
          resources: { ...DECLARATIONS.resources, 'ticket://{+any}': { scopes: ['x'], whenScopeMissing: 'challenge' } },
        },
      },
    );
    expect(answer).toMatchObject({ status: 403, refusals: [{ required: ['desk:write', 'x'] }] });
  });

  test('a message without an id is judged like any other', async () => {
    const { id: _, ...notification } = call('reply');
    expect(await send(notification)).toMatchObject({ status: 403, reached: undefined });
    const { id: _id, ...hidden } = call('export');
    expect(await send(hidden)).toMatchObject({ reached: undefined });
  });
});

describe('a resource is judged however its URI is spelled', () => {
  test.each([
    'file:///x/../secret',
    'file:///%73ecret',
    'FILE:///secret',
    'file://localhost/secret',
    'file:///./secret',
  ])('%s is not taken for another file', async (uri) => {
    expect(await send(ask('resources/read', { uri }))).toMatchObject({ reached: undefined });
  });

  test.each(['ticket://1/2', 'ticket:/1', 'xticket://1', `ticket://${'1'.repeat(5000)}`, 'desk://queue#x'])(
    '%s came from no template',
    async (uri) => {
      expect(await send(ask('resources/read', { uri }))).toMatchObject({ refusals: [{ reason: 'undeclared' }] });
    },
  );

  test('a URI made to take long is judged at once', async () => {
    const declarations = { resources: { 'x://{+a}-{+b}-{+c}-{+d}-{+e}-{+f}z': { scopes: ['desk:read'] } } };
    const answer = await send(ask('resources/read', { uri: `x://${'-'.repeat(4000)}` }), {}, { declarations });
    expect(answer).toMatchObject({ refusals: [{ reason: 'undeclared' }] });
  });

  test.each([
    ['a thousand different resources, and no more', (length: number) => `ticket://${length}`, 1000],
    ['the same resource a thousand times, and no more', () => 'ticket://1', 1000],
    ['100,000 characters, and no more', () => `ticket://${'1'.repeat(991)}`, 100],
  ])('a subscription names %s', async (_what, uri, limit) => {
    const naming = (length: number) =>
      ask('subscriptions/listen', {
        notifications: { resourceSubscriptions: Array.from({ length }, (_, index) => uri(index)) },
      });
    expect(await send(naming(limit))).toMatchObject({ status: 200, refusals: [] });
    const answer = await send(naming(limit + 1));
    expect(answer).toMatchObject({ status: 400, refusals: [{ reason: 'not_a_message' }], reached: undefined });
    expect(answer.text).toContain('names too many resources');
  });
});

describe('the body decides, and it is one message', () => {
  test.each(['[]', '[1]', JSON.stringify([call('whoami'), call('export')]), JSON.stringify([[call('export')]])])(
    'TR-27 a batch is refused whole: %s',
    async (body) => {
      const answer = await send(body, { headers: { 'mcp-protocol-version': '2025-03-26' } });
      expect(answer).toMatchObject({ status: 400, reached: undefined });
      expect(JSON.parse(answer.text)).toMatchObject({ id: null, error: { code: -32600 } });
    },
  );

  test.each(['', '{', 'null', '1', '"tools/call"', '{"method":["tools/call"]}', '{"method":null}', '\u0000'])(
    'no message: %j',
    async (body) => {
      const answer = await send(body);
      expect(answer).toMatchObject({ status: 400, reached: undefined });
      expect(JSON.parse(answer.text)).toMatchObject({ jsonrpc: '2.0', id: null });
    },
  );

  test('TR-12, RS-34 a harmless Mcp-Name carries no other call past the scope', async () => {
    const headers = { 'mcp-method': 'tools/call', 'mcp-name': 'whoami' };
    expect(await send(call('reply'), { headers })).toMatchObject({ status: 403, reached: undefined });
  });

  test('RS-35 what a client says of itself changes nothing', async () => {
    const _meta = { 'io.modelcontextprotocol/clientInfo': { name: 'admin', version: '1' } };
    const message = ask('tools/call', { name: 'export', _meta });
    expect(await send(message)).toMatchObject({ reached: undefined, refusals: [{ reason: 'hidden' }] });
  });

  test('a key that is there twice is read once', async () => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"export"}}';
    expect(await send(body)).toMatchObject({ reached: undefined });
  });

  test.each(['PUT', 'PATCH', 'HEAD', 'PROPFIND'])('TR-5 %s is no way to send one', async (method) => {
    const { guard } = guarded(issuer.url, settings);
    const headers = { authorization: `Bearer ${reader}`, 'content-type': 'application/json' };
    const body = method === 'HEAD' ? {} : { body: JSON.stringify(call('export')) };
    const response = await guard.protect(new Request(RESOURCE, { method, headers, ...body }), unreachable);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST, DELETE, OPTIONS']);
  });

  test('nor is DELETE with a body; without one GET and DELETE pass', async () => {
    const { guard } = guarded(issuer.url, settings);
    const headers = { authorization: `Bearer ${reader}` };
    const withBody = new Request(RESOURCE, { method: 'DELETE', headers, body: JSON.stringify(call('export')) });
    expect((await guard.protect(withBody, unreachable)).status).toBe(400);
    for (const method of ['GET', 'DELETE']) {
      const response = await guard.protect(new Request(RESOURCE, { method, headers }), () => new Response('reached'));
      expect(await response.text()).toBe('reached');
    }
  });

  test('TR-6 a body over the limit is not judged', async () => {
    const long = { ...call('whoami'), padding: 'x'.repeat(2000) };
    expect(await send(long, {}, { bodyLimitBytes: 1000 })).toMatchObject({ status: 413, reached: undefined });
  });
});

const unreachable = () => {
  throw new Error('the handler was reached');
};

describe('RS-32 a list holds what its caller may know of, and nothing that was not declared', () => {
  const named = (key: string, ...names: string[]) => names.map((name) => ({ [key]: name, description: 'x' }));
  const everything = {
    tools: named('name', 'whoami', 'search', 'reply', 'export', 'forgotten'),
    prompts: named('name', 'summary', 'reset'),
    resources: named('uri', 'desk://queue', 'desk://queue/secret', 'ticket://1', 'other://x'),
    resourceTemplates: named('uriTemplate', 'ticket://{id}', 'ticket://{id}/notes', 'secret://{id}'),
    nextCursor: 'next',
  };
  const kept = (member: string) =>
    ({
      tools: ['whoami', 'search', 'reply'],
      prompts: ['summary'],
      resources: ['desk://queue', 'ticket://1'],
      resourceTemplates: ['ticket://{id}', 'ticket://{id}/notes'],
    })[member];

  test.each([
    ['tools/list', 'tools', 'name'],
    ['prompts/list', 'prompts', 'name'],
    ['resources/list', 'resources', 'uri'],
    ['resources/templates/list', 'resourceTemplates', 'uriTemplate'],
  ])('%s, as JSON and as a stream', async (method, member, key) => {
    const message = { jsonrpc: '2.0', id: 7, result: everything };
    const stream = `: keep-alive\n\nid: 5\nevent: message\ndata: ${JSON.stringify(message)}\n\n`;
    const answers = [
      () => Response.json(message, { headers: { 'content-length': '9999' } }),
      () => new Response(stream, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }),
    ];
    for (const answer of answers) {
      const { text, headers } = await send(ask(method), { answer });
      expect(headers.get('content-length')).toBeNull();
      const json = text.startsWith('{') ? text : text.replace(/^id: 5\nevent: message\ndata: (.*)\n\n$/, '$1');
      const { result } = JSON.parse(json);
      expect(result[member].map((item: Record<string, unknown>) => item[key])).toEqual(kept(member));
      expect(result.nextCursor).toBe('next');
    }
  });

  test('an error, and any other answer, is left as it is', async () => {
    const answer = () => Response.json({ jsonrpc: '2.0', id: 7, error: { code: 1, message: 'no' } });
    expect(JSON.parse((await send(ask('tools/list'), { answer })).text)).toHaveProperty('error.code', 1);
    const accepted = () => new Response(null, { status: 202 });
    expect((await send(ask('tools/list'), { answer: accepted })).status).toBe(202);
    const other = () => Response.json({ result: everything });
    expect(JSON.parse((await send(call('whoami'), { answer: other })).text).result.tools).toHaveLength(5);
  });
});

describe('RS-6 one declaration feeds all that is said of scopes', () => {
  test('the metadata and the first challenge name the baseline, not the catalogue', async () => {
    const { guard } = guarded(issuer.url, { ...settings, scopes: {} });
    const request = new Request(guard.resourceMetadataUrl);
    expect(await guard.metadata(request)?.json()).toMatchObject({ scopes_supported: ['desk:read'] });
    const bare = await guard.protect(new Request(RESOURCE), unreachable);
    expect(bare.headers.get('www-authenticate')).toContain('scope="desk:read"');
  });

  test('the table for documentation shows each declaration', () => {
    expect(declarationTable(DECLARATIONS)).toBe(
      [
        '|  | name | scopes | without them |',
        '| --- | --- | --- | --- |',
        '| tool | `whoami` | any valid token |  |',
        '| tool | `search` | `desk:read` | hide |',
        '| tool | `reply` | `desk:read` `desk:write` | challenge |',
        '| tool | `export` | `desk:admin` | hide |',
        '| resource | `desk://queue` | `desk:read` | hide |',
        '| resource | `desk://queue/secret` | `desk:admin` | hide |',
        '| resource | `ticket://{id}` | `desk:read` | hide |',
        '| resource | `ticket://{id}/notes` | `desk:write` | challenge |',
        '| resource | `file:///{+path}` | `desk:read` | hide |',
        '| resource | `file:///secret` | `desk:admin` | hide |',
        '| prompt | `summary` | `desk:read` | hide |',
        '| prompt | `reset` | `desk:admin` | hide |',
        '| method | `tasks/get` | `desk:read` | hide |',
        '',
      ].join('\n'),
    );
  });
});

test('SP-37 who keeps a record is told of each refused message and its sender', async () => {
  const { guard } = guarded(issuer.url, settings);
  const seen: unknown[] = [];
  const request = (message: unknown) =>
    new Request(RESOURCE, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${reader}` },
      body: JSON.stringify(message),
    });
  for (const name of ['whoami', 'export', 'reply']) {
    await guard.protect(request(call(name)), () => new Response(), {
      onRefusedMessage: ({ reason }, { principal, message }) => seen.push([reason, principal.subject, message.params]),
    });
  }
  expect(seen).toEqual([
    ['hidden', 'user-1', { name: 'export', arguments: {} }],
    ['insufficient_scope', 'user-1', { name: 'reply', arguments: {} }],
  ]);
});

test('the example of the README serves what its reader declared', async () => {
  const answer = deskFetch(issuer.url, RESOURCE, async (message) => Response.json(message));
  const at = new Date(Math.floor(Date.now() / 1000) * 1000);
  const token = await issuer.sign({ at, claims: { scope: 'desk:admin', roles: ['agent'] } });
  const statuses = [];
  for (const name of ['search_tickets', 'reply_to_ticket', 'export_customers', 'nothing']) {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const body = JSON.stringify(call(name));
    const response = await answer(new Request(RESOURCE, { method: 'POST', headers, body }));
    statuses.push([response.status, 'error' in (await response.json())]);
  }
  expect(statuses).toEqual([
    [200, false],
    [200, false],
    [200, true],
    [200, true],
  ]);
  expect(documentation()).toContain('`export_customers`');
});
