import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHttpPerson, pollUntil, type Stack, sendRaw, startStack } from '../../../src/index.ts';
import { signInAtAccount } from '../support/account.ts';
import { type CollectedSpan, type Collector, startCollector } from '../support/collector.ts';
import { postMcp } from '../support/mcp-message.ts';
import { OWNER, OWNER_ENV } from '../support/owner.ts';
import { makeToken } from '../support/personal-access-tokens.ts';

let collector: Collector;
let stack: Stack;
let token: string;

beforeAll(async () => {
  collector = await startCollector();
  stack = await startStack({ env: collector.env, authorizationServer: OWNER_ENV });
  const person = createHttpPerson();
  await signInAtAccount(stack.issuer, person, OWNER);
  const page = await person.open(`${stack.issuer}/account/tokens/new`);
  token = await makeToken({ who: { ...OWNER, userId: '' }, person, page, resource: stack.mcpUrl });
});
afterAll(async () => {
  await stack?.stop();
  await collector?.close();
});

const whoami = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'whoami', arguments: {} },
});

/** A place in a trace, as a client's own tracing would make it. */
function newTrace(): { traceId: string; parent: string; traceparent: string } {
  const traceId = randomBytes(16).toString('hex');
  const parent = randomBytes(8).toString('hex');
  return { traceId, parent, traceparent: `00-${traceId}-${parent}-01` };
}

/** The spans of a trace, once there is one of that name. */
function spansOf(traceId: string, name: string): Promise<CollectedSpan[]> {
  const all = () => collector.spans().filter((span) => span.traceId === traceId);
  return pollUntil(async () => (all().some((span) => span.name === name) ? all() : undefined), {
    what: `a span ${name}`,
  });
}

test('one trace goes from the client through the tool call to the introspection, and its log lines name it', async () => {
  const { traceId, parent, traceparent } = newTrace();
  const answer = await postMcp(stack.mcpUrl, { token, body: whoami, headers: { traceparent } });
  expect(answer.result).toBeDefined();
  const spans = await spansOf(traceId, 'POST /mcp');
  const named = (name: string, service: string) => {
    const span = spans.find((each) => each.name === name && each.service === service);
    if (!span) throw new Error(`no span ${name}: ${spans.map((each) => `${each.service} ${each.name}`).join(', ')}`);
    return span;
  };
  const request = named('POST /mcp', 'portcullis-mcp-server');
  const call = named('tools/call whoami', 'portcullis-mcp-server');
  const outgoing = named('POST', 'portcullis-mcp-server');
  const introspection = named('POST /introspect', 'portcullis-authorization-server');
  expect(request).toMatchObject({ parentSpanId: parent, kind: 2 });
  expect(request.attributes).toEqual({
    'http.request.method': 'POST',
    'http.route': '/mcp',
    'http.response.status_code': 200,
    'portcullis.correlation_id': answer.headers['x-correlation-id'],
  });
  expect(call).toMatchObject({ parentSpanId: request.spanId, kind: 1 });
  expect(call.attributes).toMatchObject({ 'gen_ai.tool.name': 'whoami', 'portcullis.decision': 'success' });
  expect(outgoing).toMatchObject({ parentSpanId: request.spanId, kind: 3 });
  expect(outgoing.attributes).toMatchObject({ 'server.address': 'localhost', 'http.response.status_code': 200 });
  expect(introspection).toMatchObject({ parentSpanId: outgoing.spanId, kind: 2 });
  expect(named('database transaction', 'portcullis-authorization-server').traceId).toBe(traceId);
  const lines = stack.logs().split('\n');
  for (const words of ['"path":"/introspect"', '"msg":"tool called"']) {
    expect(lines.filter((line) => line.includes(words)).some((line) => line.includes(`"trace_id":"${traceId}"`))).toBe(
      true,
    );
  }
});

test('of what a client sends a span holds nothing but the place in its trace (SP-4)', async () => {
  const { traceId, traceparent } = newTrace();
  const secret = `secret-${crypto.randomUUID()}`;
  const headers = { traceparent, tracestate: `vendor=${secret}`, baggage: `user=${secret}`, 'user-agent': secret };
  const url = `${stack.mcpUrl}?password=${secret}`;
  await postMcp(url, { token, body: whoami.replace('"arguments":{}', `"arguments":{"x":"${secret}"}`), headers });
  await postMcp(url, { token: `${token}${secret}`, body: whoami.replace('whoami', secret), headers });
  for (const path of [`/${secret}`, `/interaction/${secret}`, `/authorize?client_id=${secret}&state=${secret}`])
    await sendRaw(`${stack.issuer}${path}`, { headers: { ...headers, cookie: `a=${secret}`, referer: secret } });
  await sendRaw(`${stack.issuer}/token?code=${secret}`, {
    body: new URLSearchParams({ grant_type: secret, client_id: secret, code: secret, username: OWNER.email }),
    headers: { ...headers, authorization: `Basic ${Buffer.from(`${secret}:${secret}`).toString('base64')}` },
  });
  const spans = await spansOf(traceId, 'POST /token');
  expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(['POST /mcp', 'GET other', 'POST /token']));
  for (const value of [secret, token, OWNER.email, OWNER.password, 'password=', '127.0.0.1\\"'])
    expect(collector.text()).not.toContain(value);
});

test('other servers are told of no trace, and nonsense in its place begins a new one', async () => {
  const { traceId } = newTrace();
  for (const traceparent of [
    `00-${traceId}-0000000000000000-01`,
    `zz-${traceId}-1111111111111111-01`,
    'x'.repeat(5000),
  ])
    expect((await sendRaw(`${stack.issuer}/jwks`, { headers: { traceparent } })).status).toBe(200);
  await pollUntil(async () => collector.spans().filter(({ name }) => name === 'GET /jwks').length >= 3, {
    what: 'three spans',
  });
  expect(collector.spans().filter((span) => span.traceId === traceId)).toEqual([]);
});
