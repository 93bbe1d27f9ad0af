import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { environmentReader } from '../src/environment.ts';
import { inSpan, readTracing, startTracing, tracedFetch } from '../src/watching.ts';

const log = { warn: () => undefined, debug: () => undefined };

function read(env: Record<string, string>) {
  const reader = environmentReader(env);
  const config = readTracing(reader, { serviceName: 'test' });
  reader.finish();
  return config;
}

describe('OpenTelemetry’s variables', () => {
  test.each([
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'TRUE' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_TRACES_EXPORTER: 'none' },
    { OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' },
  ])('tracing is off with %j', (env) => {
    expect(read(env)).toBeUndefined();
  });

  test('a base is completed, an address for traces is taken as it is', () => {
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' })?.url).toBe('http://c:4318/v1/traces');
    expect(
      read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/in' })?.url,
    ).toBe('http://c/in');
  });

  test.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER'],
    [{ OTEL_TRACES_SAMPLER_ARG: '2' }, 'OTEL_TRACES_SAMPLER_ARG'],
    [{ OTEL_BSP_SCHEDULE_DELAY: '-1' }, 'OTEL_BSP_SCHEDULE_DELAY'],
    [{ OTEL_TRACES_EXPORTER: 'jaeger' }, 'OTEL_TRACES_EXPORTER'],
  ])('%j does not start, and names the variable', (env, name) => {
    expect(() => read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c', ...env })).toThrow(name);
  });
});

describe('spans', () => {
  const posts: { headers: IncomingHttpHeaders; body: string }[] = [];
  const asked: IncomingHttpHeaders[] = [];
  const collector = createServer(async (request, response) => {
    posts.push({ headers: request.headers, body: (await buffer(request)).toString('latin1') });
    response.writeHead(200).end();
  });
  const other = createServer((request, response) => {
    asked.push(request.headers);
    response.end('ok');
  });
  const urlOf = (server: typeof other) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  beforeAll(async () => {
    for (const server of [collector, other])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  });
  afterAll(() => {
    collector.close();
    other.close();
  });

  const start = (env: Record<string, string> = {}) =>
    startTracing(read({ OTEL_EXPORTER_OTLP_ENDPOINT: urlOf(collector), ...env }), log);

  test('are sent in protobuf with the headers that were asked for, at the latest at the end', async () => {
    const { close } = await start({ OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=one,x-key=two%20words' });
    await inSpan({ name: 'some work', attributes: { 'portcullis.outcome': 'success' } }, async () => undefined);
    await close();
    expect(posts.at(-1)?.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'x-tenant': 'one',
      'x-key': 'two words',
    });
    expect(posts.at(-1)?.body).toContain('some work');
  });

  test('of a fault the class is told and never the message', async () => {
    const { close } = await start();
    const fault = new RangeError('the secret is hunter2hunter2');
    await expect(inSpan({ name: 'failing work' }, () => Promise.reject(fault))).rejects.toBe(fault);
    await close();
    expect(posts.at(-1)?.body).toContain('RangeError');
    expect(posts.at(-1)?.body).not.toContain('hunter2');
  });

  test('a trace is handed on to servers of ours and to nobody else, and their addresses are in no span', async () => {
    const { close } = await start();
    const ours = tracedFetch(fetch, { origins: [urlOf(other)] });
    const foreign = tracedFetch(fetch, { origins: [] });
    await ours(`${urlOf(other)}/path-1?query-1`, { headers: { 'x-own': 'kept' } });
    await ours(new Request(`${urlOf(other)}/path-2`, { headers: { 'x-own': 'kept' } }));
    await foreign(`${urlOf(other)}/path-3`);
    await close();
    expect(asked.map(({ traceparent, 'x-own': own }) => [typeof traceparent, own])).toEqual([
      ['string', 'kept'],
      ['string', 'kept'],
      ['undefined', undefined],
    ]);
    expect(posts.at(-1)?.body).not.toMatch(/path-\d|query-1/);
  });

  test('nothing is sent of what is not sampled', async () => {
    const before = posts.length;
    const { close } = await start({ OTEL_TRACES_SAMPLER: 'always_off' });
    await inSpan({ name: 'unseen' }, async () => undefined);
    await close();
    expect(posts).toHaveLength(before);
  });
});
