import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase } from '@portcullis/test-database';
import { createHttpPerson, findFreePort, pollUntil, sendRaw, startStack } from '../../src/index.ts';
import { obtainCode, redeem, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamily, refresh } from './support/refreshing.ts';

let metricsPort: number;
let mcpMetricsPort: number;
let stack: Awaited<ReturnType<typeof startStack>>;

beforeAll(async () => {
  metricsPort = await findFreePort();
  mcpMetricsPort = await findFreePort();
  stack = await startStack({
    authorizationServer: { PORTCULLIS_METRICS_PORT: String(metricsPort) },
    mcpServer: { PORTCULLIS_MCP_METRICS_PORT: String(mcpMetricsPort) },
  });
});
afterAll(() => stack?.stop());

test('the metrics are on a listener of their own, on loopback, and on no other (SP-38)', async () => {
  const answer = await sendRaw(`http://localhost:${metricsPort}/metrics`);
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(answer.text).toMatch(/^portcullis_refresh_rotations_total 0$/m);
  expect(answer.text).toMatch(/^process_cpu_seconds_total /m);
  expect((await sendRaw(`http://localhost:${metricsPort}/`)).status).toBe(404);
  expect((await sendRaw(`http://localhost:${metricsPort}/token`, { body: 'x' })).status).toBe(404);
  expect((await sendRaw(`http://localhost:${metricsPort}/metrics`, { method: 'POST' })).status).toBe(405);
  expect((await sendRaw(`${stack.issuer}/metrics`)).status).toBe(404);
});

test('the MCP server says how fresh its feed is, on a listener of its own and on no other (SP-38)', async () => {
  const measured = async () => (await sendRaw(`http://localhost:${mcpMetricsPort}/metrics`)).text;
  await pollUntil(async () => /^portcullis_guard_revocation_fresh 1$/m.test(await measured()), {
    what: 'a fresh feed',
  });
  expect(await measured()).toMatch(/^portcullis_guard_revocation_feed 1$/m);
  expect(await measured()).toMatch(/^portcullis_guard_revocation_age_seconds \d/m);
  expect(await measured()).toMatch(/^portcullis_guard_revoked_grants 0$/m);
  expect((await sendRaw(`http://localhost:${new URL(stack.mcpUrl).port}/metrics`)).status).toBe(404);
});

test('a target that is no URL is not found, and ends neither server (SP-38)', async () => {
  for (const port of [metricsPort, mcpMetricsPort]) {
    const statusOf = async (path: string) => (await sendRaw(`http://localhost:${port}${path}`)).status;
    expect(await statusOf('//')).toBe(404);
    expect(await statusOf('//metrics')).toBe(404);
    expect(await statusOf('/metrics?x')).toBe(200);
  }
});

test('rotations, replays within the grace, refused ancestors, reuse and anomalies are counted', async () => {
  const database = await createTestDatabase();
  const server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  const target = await targetOf(server);
  const client = await registerClient(target);
  const person = createHttpPerson();
  const use = (token: string) => refresh(target, client, { token });

  const code = await obtainCode(target, client, { person });
  await redeem(target, client, { code });
  await redeem(target, client, { code });

  const { refresh: first } = await beginFamily(target, client, { person });
  const { refresh: second } = tokensOf(await use(first));
  tokensOf(await use(first));
  tokensOf(await use(first));
  tokensOf(await use(second));
  await use(first);
  server.pass(200);
  await use(first);

  const counts = Object.fromEntries(
    (await server.metrics())
      .split('\n')
      .filter((line) => line.startsWith('portcullis_'))
      .map((line) => line.split(' ')),
  );
  expect(counts).toEqual({
    portcullis_refresh_rotations_total: '2',
    portcullis_refresh_replays_total: '2',
    portcullis_refresh_superseded_total: '1',
    'portcullis_token_reuse_total{kind="code"}': '1',
    'portcullis_token_reuse_total{kind="refresh_token"}': '1',
    'portcullis_anomalies_total{kind="code_reuse"}': '1',
    'portcullis_anomalies_total{kind="refresh_token_reuse"}': '1',
  });
  await server.close();
  await database.drop();
});
