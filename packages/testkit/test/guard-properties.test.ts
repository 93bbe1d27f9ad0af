import { beforeAll, describe, expect, test } from '@jest/globals';
import { createGuard, type Declarations, type Guard, type McpMessage } from '@portcullis/guard';
import { createTestIssuer, type TestIssuer } from '@portcullis/guard/testing';
import { rounds } from '@portcullis/test-database';
import fc from 'fast-check';
import { base64url, generateKeyPair, SignJWT } from 'jose';

const resource = 'https://mcp.example.com/mcp';
const declarations: Declarations = {
  tools: {
    whoami: { scopes: 'any-valid-token' },
    search: { scopes: ['desk:read'] },
    export: { scopes: ['desk:admin'] },
  },
  resources: { 'ticket://{id}': { scopes: ['desk:read'] }, 'desk://secret': { scopes: ['desk:admin'] } },
  prompts: { summary: { scopes: ['desk:read'] }, reset: { scopes: ['desk:admin'] } },
};
/** What the caller may name, told apart from the guard's own rules. */
const MAY = { tools: ['whoami', 'search'], prompts: ['summary'] };

let issuer: TestIssuer;
let guard: Guard;
let good: string;
let stranger: CryptoKey;
beforeAll(async () => {
  issuer = await createTestIssuer();
  guard = createGuard({ issuer: issuer.issuer, resource, fetch: issuer.fetch, declarations });
  good = await issuer.token(resource, { claims: { scope: 'desk:read' } });
  stranger = (await generateKeyPair('ES256')).privateKey;
  // Its signature is remembered from here on, which must help no other token.
  expect(await send(showing(`Bearer ${good}`))).toMatchObject({ status: 200, reached: { message: call('search') } });
});

type Reached = { message: McpMessage | undefined };

/** Sends a request; `reached` is there when the handler was. */
async function send(request: Request): Promise<{ status: number; reached: Reached | undefined }> {
  let reached: Reached | undefined;
  const response = await guard.protect(request, (_request, _principal, message) => {
    reached = { message };
    return Response.json({ jsonrpc: '2.0', id: 1, result: {} });
  });
  return { status: response.status, reached };
}

const call = (name: unknown) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } });
const showing = (authorization: string) =>
  new Request(resource, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify(call('search')),
  });

const decode = (part = '') => Buffer.from(part, 'base64url').toString('latin1');
const encode = (value: unknown) => base64url.encode(typeof value === 'string' ? value : JSON.stringify(value));
const headerOf = (token: string) => JSON.parse(decode(token.split('.')[0]));
const claimsOf = (token: string) => JSON.parse(decode(token.split('.')[1]));
/** Whether two strings are the same token but for the spelling of its bits. */
const isSame = (token: string) => {
  const [parts, originals] = [token.split('.'), good.split('.')];
  return parts.length === 3 && parts.every((part, index) => decode(part) === decode(originals[index]));
};

const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    '',
    'none',
    'HS256',
    null,
    true,
    [],
    {},
    -1,
    1e308,
    'application/at+jwt',
    '../../etc/passwd',
  ),
);
const HEADERS = ['alg', 'typ', 'kid', 'crit', 'b64', 'jwk', 'jku', 'x5c', 'x5u', 'zip', 'enc', 'cty', '__proto__'];
const CLAIMS = [
  'iss',
  'aud',
  'sub',
  'exp',
  'nbf',
  'iat',
  'jti',
  'scope',
  'client_id',
  'gid',
  'roles',
  'cnf',
  '__proto__',
];

type Mutation = { name: string; apply(): Promise<string> };
const mutation = (name: string, apply: () => string | Promise<string>): Mutation => ({
  name,
  apply: async () => apply(),
});
const parts = () => {
  const [head = '', claims = '', signature = ''] = good.split('.');
  return { head, claims, signature };
};

const mutations = fc.oneof(
  fc
    .tuple(fc.constantFrom(...HEADERS), odd)
    .map(([name, value]) =>
      mutation(
        `header ${name}`,
        () => `${encode({ ...headerOf(good), [name]: value })}.${parts().claims}.${parts().signature}`,
      ),
    ),
  fc
    .tuple(fc.constantFrom(...CLAIMS), odd)
    .map(([name, value]) =>
      mutation(
        `claim ${name}`,
        () => `${parts().head}.${encode({ ...claimsOf(good), [name]: value })}.${parts().signature}`,
      ),
    ),
  fc
    .tuple(fc.constantFrom(...CLAIMS), odd)
    .map(([name, value]) =>
      mutation(`claim ${name}, signed by a stranger`, () =>
        new SignJWT({ ...claimsOf(good), [name]: value }).setProtectedHeader(headerOf(good)).sign(stranger),
      ),
    ),
  fc
    .tuple(fc.constantFrom('alg', 'none', 'HS256', 'hs256', 'NONE'), fc.string())
    .map(([alg, signature]) =>
      mutation(`alg ${alg}`, () => `${encode({ ...headerOf(good), alg })}.${parts().claims}.${encode(signature)}`),
    ),
  fc
    .tuple(fc.nat(500), fc.string({ minLength: 1, maxLength: 3 }))
    .map(([at, text]) =>
      mutation('characters put in', () => good.slice(0, at % good.length) + text + good.slice(at % good.length)),
    ),
  fc
    .tuple(fc.nat(500), fc.integer({ min: 1, max: 64 }))
    .map(([at, length]) =>
      mutation('characters taken out', () => good.slice(0, at % good.length) + good.slice((at % good.length) + length)),
    ),
  fc
    .tuple(fc.nat(500), fc.constantFrom(...'AZaz09-_+/=.'))
    .map(([at, character]) =>
      mutation('one changed', () => good.slice(0, at % good.length) + character + good.slice((at % good.length) + 1)),
    ),
  fc
    .constantFrom('=', '==', '.', '..', '.e30', '\t', ' x', '%2E', ',')
    .map((end) => mutation('an end', () => good + end)),
  fc
    .integer({ min: 1, max: 20_000 })
    .map((size) => mutation('size', () => `${parts().head}.${'A'.repeat(size)}.${parts().signature}`)),
  fc
    .integer({ min: 1, max: 3000 })
    .map((depth) => mutation('nesting', () => `${parts().head}.${encode(nested(depth))}.${parts().signature}`)),
  fc.string({ maxLength: 200 }).map((text) => mutation('no token at all', () => text)),
  fc
    .array(fc.base64String({ maxLength: 40 }), { maxLength: 6 })
    .map((list) => mutation('other parts', () => list.join('.'))),
);

/** What the issuer itself signed, and what must be refused of it all the same. */
const WRONG: Record<string, fc.Arbitrary<unknown>> = {
  iss: fc.oneof(odd, fc.constant('https://test-issuer.invalid/')),
  aud: fc.oneof(odd, fc.constantFrom<unknown>([resource], `${resource}/`, resource.toUpperCase())),
  exp: fc.oneof(fc.constantFrom<unknown>(1, -1, '9999999999', null, {}, [], true), fc.string()),
  nbf: fc.constantFrom<unknown>(9_999_999_999, '1', null, {}, []),
  iat: fc.constantFrom<unknown>(9_999_999_999, '1', null, {}, []),
  sub: fc.constantFrom<unknown>('', 1, null, [], {}),
  client_id: fc.constantFrom<unknown>('', 1, null, [], {}),
  jti: fc.constantFrom<unknown>('', 1, null, [], {}),
  scope: fc.constantFrom<unknown>(1, null, ['desk:read'], {}, true),
  roles: fc.constantFrom<unknown>('lead', 1, [1], [''], {}),
  gid: fc.constantFrom<unknown>('', 1, [], {}),
  cnf: odd,
};
const signedWrongly = fc
  .constantFrom(...Object.keys(WRONG))
  .chain((name) => (WRONG[name] ?? odd).map((value) => ({ name, value })));

describe('RS-10, RS-23 whatever is done to a token', () => {
  test('it opens nothing, and breaks nothing', async () => {
    const property = fc.asyncProperty(
      mutations,
      fc.constantFrom('Bearer', 'bearer', 'DPoP'),
      async (changed, scheme) => {
        const token = await changed.apply();
        const request = inHeader(`${scheme} ${token}`);
        if (request === undefined) return;
        const { status, reached } = await send(request);
        expect(status).toBeLessThan(500);
        // Spaces at the end of a header are not part of it.
        if (reached !== undefined) expect(isSame(token.trim())).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: rounds(2000) });
  });

  test('what the issuer signed with a wrong claim opens nothing either', async () => {
    const property = fc.asyncProperty(signedWrongly, async ({ name, value }) => {
      const token = await issuer.token(resource, { claims: { scope: 'desk:read', [name]: value } });
      const { status, reached } = await send(showing(`Bearer ${token}`));
      expect([status, reached]).toEqual([401, undefined]);
    });
    await fc.assert(property, { numRuns: rounds(2000) });
  });
});

/** A request with such a header; undefined where no HTTP message can have it. */
function inHeader(authorization: string): Request | undefined {
  try {
    return showing(authorization);
  } catch {
    return undefined;
  }
}

const METHODS = [
  ...[
    'tools/call',
    'tools/list',
    'prompts/get',
    'prompts/list',
    'resources/read',
    'resources/list',
    'completion/complete',
  ],
  ...[
    'subscriptions/listen',
    'resources/subscribe',
    'tasks/get',
    'initialize',
    'ping',
    'notifications/x',
    'x',
    '',
    '__proto__',
  ],
];
const NAMES = [
  'whoami',
  'search',
  'export',
  'summary',
  'reset',
  'ticket://1',
  'desk://secret',
  'DESK://secret',
  '__proto__',
  '',
];
const known = fc.constantFrom(...NAMES);
const name = fc.oneof({ weight: 4, arbitrary: known }, odd);
const params = fc.oneof(fc.record({ name }), fc.record({ uri: name }), odd);
/** Messages that are as they should be, of what the caller may and may not name. */
const fitting = known.chain((named) =>
  fc.constantFrom(
    { method: 'tools/call', params: { name: named } },
    { method: 'prompts/get', params: { name: named } },
    { method: 'resources/read', params: { uri: named } },
    { method: 'resources/subscribe', params: { uri: named } },
    { method: 'completion/complete', params: { ref: { type: 'ref/prompt', name: named } } },
    { method: 'completion/complete', params: { ref: { type: 'ref/resource', uri: named } } },
    { method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions: ['ticket://1', named] } } },
  ),
);
const message = fc.record({
  jsonrpc: fc.constantFrom<unknown>('2.0', '1.0', 2),
  id: fc.oneof(fc.integer(), fc.string(), odd),
  method: fc.oneof(fc.constantFrom<unknown>(...METHODS), odd),
  params,
});
const body = fc.oneof(
  { weight: 12, arbitrary: fitting.map((value) => JSON.stringify({ jsonrpc: '2.0', id: 1, ...value })) },
  { weight: 6, arbitrary: message.map((value) => JSON.stringify(value)) },
  fc.array(message, { maxLength: 3 }).map((value) => JSON.stringify(value)),
  fc.tuple(message, fc.nat(60)).map(([value, cut]) => JSON.stringify(value).slice(0, -cut - 1)),
  message.map((value) => JSON.stringify(value).replace('"params"', '"method":"tools/call","params"')),
  fc.integer({ min: 1, max: 30_000 }).map(nested),
  fc.string({ maxLength: 300 }),
);
const header = fc.oneof(
  fc.tuple(
    fc.constant('content-type'),
    fc.constantFrom('application/json', 'text/plain', 'Application/JSON;x', '', '*/*'),
  ),
  fc.tuple(fc.constant('origin'), fc.constantFrom('https://mcp.example.com', 'null', 'https://evil.example', '')),
  fc.tuple(
    fc.constant('host'),
    fc.constantFrom('mcp.example.com', 'MCP.example.com:443', 'evil.example', '', '[', 'a@b'),
  ),
  fc.tuple(fc.constant('content-length'), fc.constantFrom('0', '-1', '1e9', '99999999', 'x', 'Infinity')),
  fc.tuple(
    fc.constantFrom('mcp-name', 'mcp-method', 'mcp-session-id', 'last-event-id', 'dpop'),
    fc.constantFrom(...NAMES),
  ),
  fc.tuple(fc.constant('mcp-protocol-version'), fc.constantFrom('2025-03-26', '2025-11-25', '2026-07-28', '9', '')),
  fc.tuple(
    fc.constant('authorization'),
    fc.constantFrom('', 'Bearer', 'Bearer a b', 'Basic eDp5', 'DPoP x', 'Bearer x'),
  ),
);
const headers = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(header, { maxLength: 3 }));
const target = fc.constantFrom(
  '',
  '',
  '',
  '',
  '?',
  '?access_token=x',
  '?x=1',
  '/',
  '/../mcp',
  '/%2e%2e/',
  '//evil.example',
  '#x',
);

describe('RS-28, TR-1, TR-6 whatever is done to a request', () => {
  test('the handler sees what its caller may ask for, and nothing breaks', async () => {
    const method = fc.oneof(
      { weight: 4, arbitrary: fc.constant('POST') },
      fc.constantFrom('GET', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'PATCH'),
    );
    const property = fc.asyncProperty(fc.record({ method, body, headers, target }), async (drawn) => {
      const { status, reached } = await send(requestOf(drawn));
      expect([200, 204, 400, 401, 403, 404, 405, 413, 415]).toContain(status);
      if (reached === undefined) return;
      const changed = new Map(drawn.headers);
      expect(['POST', 'GET', 'DELETE']).toContain(drawn.method);
      expect(changed.has('authorization')).toBe(false);
      expect(['https://mcp.example.com', undefined]).toContain(changed.get('origin'));
      expect(['mcp.example.com', 'MCP.example.com:443', undefined]).toContain(changed.get('host'));
      expect(drawn.target).not.toContain('access_token');
      if (drawn.method === 'POST') expect(mayAsk(reached.message)).toBe(true);
    });
    await fc.assert(property, { numRuns: rounds(2000) });
  });
});

type Drawn = { method: string; body: string; headers: [string, string][]; target: string };

function requestOf({ method, body: text, headers, target: end }: Drawn): Request {
  const all = new Headers({ 'content-type': 'application/json', authorization: `Bearer ${good}` });
  for (const [key, value] of headers) all.set(key, value);
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(resource + end, { method, headers: all, ...(hasBody && { body: text }) });
}

/** What this caller may ask for, written down a second time and in another way. */
function mayAsk(sent: McpMessage | undefined): boolean {
  if (sent === undefined) return false;
  const { method, params: given } = sent;
  const { name: named, uri, ref, notifications } = Object(given);
  const mayRead = (value: unknown) => typeof value === 'string' && /^ticket:\/\/[^/]*$/.test(value);
  switch (method) {
    case 'tools/call':
      return MAY.tools.includes(named);
    case 'prompts/get':
      return MAY.prompts.includes(named);
    case 'resources/read':
    case 'resources/subscribe':
      return mayRead(uri);
    case 'completion/complete':
      return Object(ref).type === 'ref/resource' ? mayRead(ref.uri) : MAY.prompts.includes(Object(ref).name);
    case 'subscriptions/listen': {
      const uris = Object(notifications).resourceSubscriptions;
      return uris === undefined || (Array.isArray(uris) && uris.every(mayRead));
    }
    default:
      return [
        'tools/list',
        'prompts/list',
        'resources/list',
        'initialize',
        'ping',
        'notifications/x',
        undefined,
      ].includes(typeof method === 'string' ? method : undefined);
  }
}
