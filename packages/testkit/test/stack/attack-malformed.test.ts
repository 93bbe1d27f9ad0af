import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RawAnswer, RawRequest, Stack } from '../../src/index.ts';
import { bearer, createHttpPerson, sendRaw, startStack } from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, codeExchange, obtainCode, registerClient, targetOf } from './support/authorization.ts';
import type { KeyThief } from './support/issuer-key.ts';
import { stealSigningKey } from './support/issuer-key.ts';
import { callTool, postMcp } from './support/mcp-message.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';
import { sendBytes } from './support/raw-bytes.ts';

let stack: Stack;
let target: Target;
let client: TestClient;
let forge: KeyThief;

beforeAll(async () => {
  stack = await startStack({ authorizationServer: OWNER_ENV });
  target = await targetOf(stack);
  client = await registerClient(target);
  forge = await stealSigningKey(stack);
});

afterAll(async () => {
  // Whatever was sent, nobody fell over and nothing went to standard error.
  expect(stack.authorizationServer.stderr()).toBe('');
  expect(stack.mcpServer.stderr()).toBe('');
  await stack.stop();
});

const INTERNALS =
  /\bat .+:\d+:\d+|node_modules|node:internal|\/tmp\/|\/home\/|\/root\/|\.[jt]s:\d|SELECT |INSERT |prisma|sqlite|postgres|libsql|kysely|Error:|oidc-provider|ECONN|127\.0\.0\.1:\d/i;

/** What is no HTTP to a proxy in front is refused there, in words of its own, and never comes to us. */
const isRefusedInFront = ({ status, headers, text }: RawAnswer) =>
  stack.issuer.startsWith('https:') &&
  headers['x-correlation-id'] === undefined &&
  status === 400 &&
  text === '400 Bad Request';

/** SP-40: an answer of 4xx (or a redirect with an error) that says nothing internal and can be found in the log. */
function expectCleanRefusal(what: string, answer: RawAnswer): void {
  if (isRefusedInFront(answer)) return;
  expect([what, answer.status, answer.text.slice(0, 300)]).toEqual([
    what,
    expect.any(Number),
    expect.not.stringMatching(INTERNALS),
  ]);
  expect([what, answer.status >= 300 && answer.status < 500]).toEqual([what, true]);
  expect([what, answer.headers['x-correlation-id']]).toEqual([what, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  expect(answer.headers['x-powered-by'] ?? answer.headers.server).toBeUndefined();
  const isPage = answer.headers['content-type']?.includes('text/html') && !answer.headers.location;
  if (isPage && !answer.text.includes('<form')) {
    expect([what, answer.text]).toEqual([what, expect.stringContaining(String(answer.headers['x-correlation-id']))]);
  }
}

/** Targets of requests in which nobody can read a path. */
const UNREADABLE = ['http://', 'http://[::1', 'http://:x/', 'x:y', 'mailto:a@b.example'];

const at = (path: string) => `${stack.issuer}${path}`;
/** The servers, past a proxy in front, which reads HTTP in its own way. */
const itself = () => `http://localhost:${stack.port}`;
const mcpItself = () => `http://localhost:${stack.mcpPort}`;
const json = { 'content-type': 'application/json' };
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const LONG = 'x'.repeat(100_000);

/** Bodies that no parser should be offered. */
const BODIES: [string, RawRequest][] = [
  ['broken JSON', { headers: json, body: '{"redirect_uris": [' }],
  ['no object', { headers: json, body: '"text"' }],
  ['null', { headers: json, body: 'null' }],
  ['a list', { headers: json, body: '[1,2]' }],
  ['a number', { headers: json, body: '42' }],
  ['nothing', { headers: json, body: '' }],
  ['deep JSON', { headers: json, body: `${'['.repeat(20_000)}${']'.repeat(20_000)}` }],
  ['a prototype', { headers: json, body: '{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}}}' }],
  ['a huge body', { headers: json, body: `{"client_name":"${'x'.repeat(2_000_000)}"}` }],
  ['a huge form', { headers: form, body: `email=${'x'.repeat(2_000_000)}` }],
  ['broken escapes', { headers: form, body: 'client_id=%zz&code=%' }],
  ['broken UTF-8', { headers: form, body: 'client_id=%ff%fe&email=%c3%28' }],
  ['null bytes', { headers: form, body: 'client_id=a%00b&code=%00&email=%00&password=%00&form_token=%00' }],
  ['lists for strings', { headers: form, body: 'client_id=a&client_id=b&grant_type=a&grant_type=b&email=a&email=b' }],
  ['brackets', { headers: form, body: 'client_id[$ne]=x&email[]=a&password[__proto__]=x&grant_type[a][b]=c' }],
  ['many fields', { headers: form, body: Array.from({ length: 3000 }, (_, i) => `f${i}=1`).join('&') }],
  [
    'another type',
    { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x\r\n\r\nhello\r\n--x--' },
  ],
  [
    'XML',
    {
      headers: { 'content-type': 'application/xml' },
      body: '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    },
  ],
  ['no type', { headers: { 'content-type': '' }, body: 'hello' }],
  ['a broken type', { headers: { 'content-type': ';;;' }, body: 'hello' }],
  ['a foreign charset', { headers: { 'content-type': 'application/json; charset=utf-7' }, body: '{}' }],
  ['false gzip', { headers: { ...json, 'content-encoding': 'gzip' }, body: 'this is no gzip' }],
  ['an unknown encoding', { headers: { ...json, 'content-encoding': 'zstd, x' }, body: '{}' }],
];

describe('the authorization server answers with a clean refusal (SP-40)', () => {
  test.each(['/token', '/register', '/revoke', '/setup', '/password', '/interaction/abc'])(
    'bodies for %s',
    async (path) => {
      for (const [what, raw] of BODIES) {
        expectCleanRefusal(`${path}: ${what}`, await sendRaw(at(path), { method: 'POST', ...raw }));
      }
    },
  );

  test('registrations with the wrong kind of everything', async () => {
    const uris = ['https://app.example/cb'];
    const values: unknown[] = [
      null,
      1,
      true,
      {},
      [],
      [null],
      [[]],
      [{}],
      ['\0'],
      '\0',
      LONG,
      { toString: 1 },
      [1],
      '\u{d800}',
    ];
    const members = [
      'redirect_uris',
      'client_name',
      'grant_types',
      'response_types',
      'token_endpoint_auth_method',
      'scope',
      'contacts',
      'jwks',
      'jwks_uri',
      'client_uri',
      'logo_uri',
      'application_type',
      'software_id',
      'client_id',
      'client_secret',
      'default_max_age',
      'require_auth_time',
      'post_logout_redirect_uris',
      'request_uris',
      'sector_identifier_uri',
      'id_token_signed_response_alg',
    ];
    for (const member of members) {
      for (const value of values) {
        const body = JSON.stringify({ redirect_uris: uris, [member]: value });
        const answer = await sendRaw(at('/register'), { headers: json, body });
        const what = `${member}: ${JSON.stringify(value).slice(0, 40)}`;
        if (answer.status !== 201) expectCleanRefusal(what, answer);
      }
    }
  });

  test('authorization requests with the wrong kind of everything', async () => {
    const names = [
      'client_id',
      'redirect_uri',
      'response_type',
      'response_mode',
      'scope',
      'state',
      'resource',
      'code_challenge',
      'code_challenge_method',
      'prompt',
      'nonce',
      'max_age',
      'claims',
      'request',
      'request_uri',
      'ui_locales',
      'id_token_hint',
      'login_hint',
      'acr_values',
      'registration',
    ];
    const values = [
      '',
      '%00',
      '%ff',
      '%',
      '%zz',
      'x'.repeat(9000),
      '{"a":',
      '[]',
      '../../etc/passwd',
      "' OR 1=1 --",
      '<script>alert(1)</script>',
      '%0d%0aSet-Cookie:%20x=y',
      '{{7*7}}',
      '__proto__',
      'constructor',
    ];
    for (const name of names) {
      for (const value of values) {
        const { url } = authorizationRequest(target, client, { [name]: undefined });
        for (const query of [`&${name}=${value}`, ...(value === '' ? [`&${name}=&${name}=other`] : [])]) {
          const answer = await sendRaw(at(`/authorize${url.search}${query.replaceAll(/[<> "]/g, encodeURIComponent)}`));
          const what = `${name}=${value.slice(0, 30)}`;
          expectCleanRefusal(what, answer);
          expect(answer.text).not.toContain('<script>alert');
          expect(answer.headers['set-cookie']?.join() ?? '').not.toMatch(/(^|,)x=y/);
        }
      }
    }
  });

  test('token requests with the wrong kind of everything', async () => {
    const code = { code: 'c'.repeat(43), verifier: 'v'.repeat(43) };
    const right = codeExchange(target, client, code);
    const values = ['', '\0', 'x'.repeat(9000), '[]', '{}', '__proto__', "' OR 1=1 --", '\ud800', '..', 'NaN'];
    for (const name of [
      ...Object.keys(right),
      'refresh_token',
      'scope',
      'client_secret',
      'client_assertion',
      'client_assertion_type',
    ]) {
      for (const value of values) {
        const body = new URLSearchParams({ ...right, [name]: value } as Record<string, string>);
        expectCleanRefusal(`${name}=${value.slice(0, 20)}`, await sendRaw(target.server.token_endpoint, { body }));
      }
    }
    for (const authorization of [
      'Basic',
      'Basic x',
      'Basic Og==',
      `Basic ${Buffer.from('\0:\0').toString('base64')}`,
      `Basic ${Buffer.from('%:%').toString('base64')}`,
      'Bearer x',
      'Digest a=b',
      `Basic ${'A'.repeat(9000)}`,
    ]) {
      const body = new URLSearchParams({ grant_type: 'authorization_code' });
      expectCleanRefusal(
        authorization.slice(0, 30),
        await sendRaw(target.server.token_endpoint, { body, headers: { authorization } }),
      );
    }
  });

  test('sign-in and consent forms with the wrong kind of everything', async () => {
    const person = createHttpPerson();
    const login = await person.open(authorizationRequest(target, client).url);
    for (const value of ['\0', LONG.slice(0, 10_000), '\ud800', "' OR 1=1 --", '<script>', ['a', 'b'], []]) {
      for (const name of ['email', 'password']) {
        const step = await person.submit(login, { ...OWNER, action: 'login', password: 'wrong', [name]: value });
        expectCleanRefusal(`${name}: ${JSON.stringify(value).slice(0, 30)}`, step.answer);
      }
    }
    const other = createHttpPerson({ fromAddress: '127.0.0.2' });
    const consent = await other.submit(await other.open(authorizationRequest(target, client).url), {
      ...OWNER,
      action: 'login',
    });
    for (const scope of [['\0'], ['desk:read\0'], ['__proto__'], [LONG.slice(0, 10_000)], []]) {
      expectCleanRefusal(
        `scope: ${JSON.stringify(scope).slice(0, 30)}`,
        (await other.submit(consent, { action: 'approve', scope })).answer,
      );
    }
  });

  test('paths and methods that nobody offers', async () => {
    for (const path of [
      '/',
      '/nothing',
      '/../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/interaction/',
      '/interaction/%00',
      '/interaction/..%2f..',
      '/%',
      '/%zz',
      `/${'a'.repeat(9000)}`,
      '/authorize/abc',
      '/.env',
      '/.git/config',
      '/assets/../main.js',
      '//attacker.example',
      '/setup/x',
      '/token/',
    ]) {
      const answer = await sendRawPath(path);
      expectCleanRefusal(path, answer);
    }
    for (const path of [
      '/token',
      '/authorize',
      '/register',
      '/revoke',
      '/jwks',
      '/setup',
      '/password',
      '/interaction/x',
      '/.well-known/oauth-authorization-server',
      '/.well-known/oauth-protected-resource/admin',
      '/admin/api/v1/status',
    ]) {
      for (const method of ['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
        expectCleanRefusal(`${method} ${path}`, await sendRaw(at(path), { method }));
      }
    }
    for (const path of ['/token', '/revoke', '/register']) expectCleanRefusal(`GET ${path}`, await sendRaw(at(path)));
    expectCleanRefusal(
      'POST /authorize',
      await sendRaw(at('/authorize'), { body: new URLSearchParams({ client_id: client.id }) }),
    );
  });

  test('one-time links that nobody made', async () => {
    for (const path of ['/setup', '/password']) {
      for (const token of ['\0', 'x\r\ny', '\u{1F600}', '%', 'x'.repeat(5000), ';', ' ']) {
        const answer = await sendRaw(at(`${path}?token=${encodeURIComponent(token)}`));
        expectCleanRefusal(`${path} ${JSON.stringify(token).slice(0, 30)}`, answer);
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
    }
  });

  test('account pages of somebody who is signed in, with names of nothing', async () => {
    const person = createHttpPerson({ fromAddress: '127.0.0.4' });
    await obtainCode(target, client, { person });
    const cookie = String(person.cookies.header(new URL(stack.issuer)));
    for (const name of ['%00', 'a%00b', '%ff', '__proto__', 'x'.repeat(3000)]) {
      for (const path of [
        `/account/connections/${name}/disconnect`,
        `/account/connections/${name}/scopes`,
        `/account/tokens/${name}/revoke`,
        `/account/upstreams/${name}/disconnect`,
        `/account/sign-in-methods/${name}/remove`,
        `/account/sign-ins/${name}/end`,
        `/account/confirmations/${name}`,
      ]) {
        const body = new URLSearchParams({ resource: '\0', scope: '\0', action: 'approve' });
        expectCleanRefusal(`POST ${path.slice(0, 60)}`, await sendRaw(at(path), { body, headers: { cookie } }));
        expectCleanRefusal(`GET ${path.slice(0, 60)}`, await sendRaw(at(path), { headers: { cookie } }));
      }
    }
  });

  test('credentials that no server of a resource has', async () => {
    for (const id of ['\0', 'a\0b', '%00', '%61%00', '%ff', '\ud800', '\u{1F600}', 'x'.repeat(5000), '__proto__']) {
      for (const [method, path] of [
        ['GET', '/revocations'],
        ['POST', '/internal/audit'],
        ['POST', '/internal/confirmations'],
        ['POST', '/introspect'],
      ] as const) {
        const authorization = `Basic ${Buffer.from(`${id}:secret`).toString('base64')}`;
        const headers = { ...(path === '/introspect' ? form : json), authorization };
        const what = `${path} as ${JSON.stringify(id).slice(0, 30)}`;
        const answer = await sendRaw(at(path), { method, headers, ...(method === 'POST' && { body: '' }) });
        expectCleanRefusal(what, answer);
      }
    }
  });

  test('calls to be confirmed that have no form, or name nothing', async () => {
    const { PORTCULLIS_MCP_CLIENT_SECRET: secret } = stack.env.authorizationServer;
    const authorization = `Basic ${Buffer.from(`mcp-server:${secret}`).toString('base64')}`;
    const call = { subject: 's', clientId: 'c', grantId: 'g', tool: { name: 't', title: 't' }, arguments: {} };
    const ask = (changes: Record<string, unknown>) =>
      sendRaw(at('/internal/confirmations'), {
        headers: { ...json, authorization },
        body: JSON.stringify({ ...call, ...changes }),
      });
    // It is authenticated, and what it asks about is nobody's.
    expect((await ask({})).status).toBe(200);
    for (const name of ['subject', 'clientId', 'grantId', 'tool', 'arguments']) {
      for (const text of ['\0', 'a\0b', '\ud800', 'a\udfff\ud800']) {
        const value = name === 'tool' ? { name: text, title: 't' } : name === 'arguments' ? { [text]: [text] } : text;
        // In an argument U+0000 is a value like others: it is kept encrypted.
        const isValue = name === 'arguments' && text.isWellFormed();
        expect([name, text, (await ask({ [name]: value })).status]).toEqual([name, text, isValue ? 200 : 400]);
      }
    }
  });

  test('cursors and moments that no list of the admin API gave', async () => {
    const { access: token } = await adminTokens(target, { person: createHttpPerson({ fromAddress: '127.0.0.5' }) });
    const moments = [
      ...['-271821-04-20T00:00:00.000Z', '-000001-01-01T00:00:00Z', '0000-01-01T00:00:00Z'],
      ...['+275760-09-13T00:00:00.000Z', 8.64e15, -8.64e15],
    ];
    const places = [
      '\0',
      'a\0b',
      ['2026-01-01T00:00:00.000Z', '\0'],
      ...moments.map((moment) => [moment, 'x']),
      1e300,
      2 ** 53 - 1,
      2 ** 31,
    ];
    const queries = [
      ...places.map((place) => `cursor=${Buffer.from(JSON.stringify(place)).toString('base64url')}`),
      ...moments.flatMap((moment) => ['since', 'until'].map((name) => `${name}=${encodeURIComponent(moment)}`)),
    ];
    const lists = ['users', 'clients', 'grants', 'resources', 'registration-tokens', 'personal-access-tokens'];
    for (const list of [...lists, 'audit', 'audit/export', 'keys']) {
      for (const query of queries) {
        const { status, text } = await callAdmin(stack.issuer, { token, path: `/${list}?${query}` });
        // An empty page says no more than that there is nothing behind the place.
        expect([list, query, status < 500, text]).toEqual([list, query, true, expect.not.stringMatching(INTERNALS)]);
      }
    }
  });

  test('cookies that make no sense', async () => {
    for (const cookie of [
      'portcullis=',
      'portcullis=%00',
      'portcullis=x; portcullis.sig=y',
      `portcullis-interaction=${'x'.repeat(8000)}`,
      '=;=;',
      'portcullis-setup=%00; portcullis-password=%ff',
      '__proto__=x',
    ]) {
      for (const path of ['/interaction/x', '/setup', '/password', '/authorize/x']) {
        expectCleanRefusal(`${path} ${cookie.slice(0, 30)}`, await sendRaw(at(path), { headers: { cookie } }));
      }
    }
  });

  test('bytes that are no HTTP get a 4xx or nothing, and the server lives on', async () => {
    const { host } = new URL(stack.issuer);
    for (const bytes of [
      'GARBAGE\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nX-Long: ${'x'.repeat(70_000)}\r\n\r\n`,
      `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
      `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Length: -1\r\n\r\n`,
      `GET /\0 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      ...UNREADABLE.map((target) => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    ]) {
      const isUnreadable = UNREADABLE.some((target) => bytes.startsWith(`GET ${target} `));
      for (const door of new Set(isUnreadable ? [itself()] : [itself(), stack.issuer])) {
        const answer = await sendBytes(door, bytes);
        expect([bytes.slice(0, 80), answer]).toEqual([
          bytes.slice(0, 80),
          expect.stringMatching(/^(HTTP\/1\.1 4\d\d |$)/),
        ]);
        expect(answer).not.toMatch(INTERNALS);
      }
    }
    expect((await sendRaw(at('/healthz'))).status).toBe(200);
  });

  test('a target that is a whole URL is taken by its path, for this host alone (RFC 9112 section 3.2.2)', async () => {
    const { host } = new URL(stack.issuer);
    const statusOf = async (target: string, sent: string) =>
      Number(
        (await sendBytes(itself(), `GET ${target} HTTP/1.1\r\nHost: ${sent}\r\nConnection: close\r\n\r\n`)).slice(
          9,
          12,
        ),
      );
    for (const [path, status] of [
      ['/jwks', 200],
      ['/.well-known/oauth-authorization-server', 200],
      ['/.well-known/oauth-protected-resource/admin', 200],
      ['/admin/api/v1/status', 401],
      ['/account', 303],
    ] as const) {
      expect([path, await statusOf(`${stack.issuer}${path}`, host)]).toEqual([path, status]);
      // What the target says goes before what the header says.
      expect([path, await statusOf(`${stack.issuer}${path}`, 'other.example')]).toEqual([path, status]);
      expect([path, await statusOf(`http://other.example${path}`, host)]).toEqual([path, 421]);
    }
  });

  test('a code used with every hostile client id stays good for its owner', async () => {
    const code = await obtainCode(target, client, { person: createHttpPerson({ fromAddress: '127.0.0.3' }) });
    for (const id of ['\0', '', 'x'.repeat(5000), `${client.id}\0`, '__proto__']) {
      const body = new URLSearchParams({ ...codeExchange(target, client, code), client_id: id } as Record<
        string,
        string
      >);
      expectCleanRefusal(id.slice(0, 20), await sendRaw(target.server.token_endpoint, { body }));
    }
    const body = new URLSearchParams(codeExchange(target, client, code) as Record<string, string>);
    expect((await sendRaw(target.server.token_endpoint, { body })).status).toBe(200);
  });
});

/** Sends a path as it stands: `URL` would tidy it. */
async function sendRawPath(path: string): Promise<RawAnswer> {
  const { host } = new URL(stack.issuer);
  const text = await sendBytes(
    stack.issuer,
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
  );
  const [head = '', ...body] = text.split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(':')[0]?.toLowerCase() ?? '', line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { status: Number(status.split(' ')[1]), headers, text: body.join('\r\n\r\n') };
}

describe('the MCP server answers with a clean refusal (SP-24, SP-40)', () => {
  const expectCleanMcp = (what: string, answer: RawAnswer & { result?: unknown }) => {
    expect([what, answer.status < 500, answer.text.slice(0, 300)]).toEqual([
      what,
      true,
      expect.not.stringMatching(INTERNALS),
    ]);
    expect([what, answer.headers['x-correlation-id']]).toEqual([what, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  };

  test('bodies, with and without a token', async () => {
    const token = await forge();
    for (const [what, raw] of BODIES) {
      const request = {
        method: 'POST',
        ...raw,
        headers: { ...raw.headers, accept: 'application/json, text/event-stream' },
      };
      const authorized = await sendRaw(stack.mcpUrl, { ...request, headers: { ...request.headers, ...bearer(token) } });
      expectCleanMcp(what, authorized);
      expect([what, authorized.status >= 400]).toEqual([what, true]);
      expect([what, (await sendRaw(stack.mcpUrl, request)).status]).toEqual([what, 401]);
    }
  });

  test('messages that are nearly JSON-RPC', async () => {
    const token = await forge();
    for (const message of [
      {},
      { jsonrpc: '1.0', id: 1, method: 'tools/list' },
      { jsonrpc: '2.0', id: {}, method: 'tools/list' },
      { jsonrpc: '2.0', id: 1, method: 42 },
      { jsonrpc: '2.0', id: 1, method: '__proto__' },
      { jsonrpc: '2.0', id: 1, method: 'tools/call' },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: null },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: [] },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: {} } },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: '__proto__' } },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: LONG } },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: 'x' } },
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: [] } },
      { jsonrpc: '2.0', id: 1, result: {} },
      { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'x' } },
    ]) {
      const what = JSON.stringify(message).slice(0, 100);
      const answer = await postMcp(stack.mcpUrl, { token, body: JSON.stringify(message) });
      expectCleanMcp(what, answer);
      expect([what, answer.result]).toEqual([what, undefined]);
    }
  });

  test('arguments of the wrong kind are refused with -32602, and change nothing', async () => {
    const token = await forge({ scope: 'desk:read desk:write', roles: ['agent'] });
    const values: unknown[] = [
      null,
      1,
      -1,
      1.5,
      true,
      {},
      [],
      '',
      '\0',
      "'; DROP TABLE ticket; --",
      LONG,
      'T-0',
      'T-99999999999999999999',
      '../T-1001',
      '\ud800',
    ];
    const calls: [string, Record<string, unknown>, string][] = [
      ['read_ticket', {}, 'ticketId'],
      ['reply_to_ticket', { body: 'x' }, 'ticketId'],
      ['reply_to_ticket', { ticketId: 'T-1001' }, 'status'],
      ['search_tickets', {}, 'limit'],
      ['search_tickets', {}, 'cursor'],
      ['search_tickets', {}, 'unknown'],
      ['whoami', {}, 'sub'],
    ];
    for (const [name, rest, argument] of calls) {
      for (const value of values) {
        const what = `${name} ${argument}=${JSON.stringify(value).slice(0, 30)}`;
        const answer = await callTool(stack.mcpUrl, { token, name, args: { ...rest, [argument]: value } });
        expectCleanMcp(what, answer);
        if (answer.result) expect([what, name]).toEqual([what, 'search_tickets']);
        else expect([what, answer.error?.code]).toEqual([what, -32602]);
      }
    }
  });

  test('paths and methods that nobody offers', async () => {
    const { origin } = new URL(stack.mcpUrl);
    for (const path of [
      '/',
      '/nothing',
      '/mcp/',
      '/MCP',
      '/mcp/x',
      '/%',
      '/%00',
      '/.env',
      '/.well-known/oauth-protected-resource/other',
    ]) {
      const answer = await sendRaw(`${origin}${path}`, { headers: bearer(await forge()) });
      if (isRefusedInFront(answer)) continue;
      expectCleanMcp(path, answer);
      expect([path, answer.status]).toEqual([path, 404]);
    }
    for (const target of UNREADABLE) {
      const { host } = new URL(stack.mcpUrl);
      const answer = await sendBytes(
        mcpItself(),
        `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect([target, answer]).toEqual([target, expect.stringMatching(/^HTTP\/1\.1 4\d\d /)]);
    }
    for (const method of ['PUT', 'PATCH', 'TRACE']) {
      const answer = await sendRaw(stack.mcpUrl, { method, headers: bearer(await forge()) });
      expectCleanMcp(method, answer);
      expect([method, answer.status >= 400]).toEqual([method, true]);
    }
  });
});
