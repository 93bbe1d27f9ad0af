import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase } from '@portcullis/test-database';
import { parse } from 'yaml';
import { z } from 'zod';
import { asks, createHttpPerson, findFreePort, pollUntil, sendRaw, startStack } from '../../src/index.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { startInProcess } from './support/in-process.ts';
import { callTool } from './support/mcp-message.ts';
import { metricNamed, metricsIn, sampleOf } from './support/metrics-text.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';
import { readPromql } from './support/promql.ts';
import { beginFamily, refresh } from './support/refreshing.ts';

let metricsPort: number;
let mcpMetricsPort: number;
let stack: Awaited<ReturnType<typeof startStack>>;

beforeAll(async () => {
  metricsPort = await findFreePort();
  mcpMetricsPort = await findFreePort();
  stack = await startStack({
    oneOfEach: true,
    authorizationServer: { PORTCULLIS_METRICS_PORT: String(metricsPort), ...OWNER_ENV },
    mcpServer: { PORTCULLIS_MCP_METRICS_PORT: String(mcpMetricsPort) },
  });
});
afterAll(() => stack?.stop());

const counted = async () => (await sendRaw(`http://localhost:${metricsPort}/metrics`)).text;
const countedAtMcp = async () => (await sendRaw(`http://localhost:${mcpMetricsPort}/metrics`)).text;

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
  await pollUntil(async () => /^portcullis_guard_revocation_fresh 1$/m.test(await countedAtMcp()), {
    what: 'a fresh feed',
  });
  expect(await countedAtMcp()).toMatch(/^portcullis_guard_revocation_feed 1$/m);
  expect(await countedAtMcp()).toMatch(/^portcullis_guard_revocation_age_seconds \d/m);
  expect(await countedAtMcp()).toMatch(/^portcullis_guard_revoked_grants 0$/m);
  expect((await sendRaw(`${new URL(stack.mcpUrl).origin}/metrics`)).status).toBe(404);
});

test('a target that is no URL is not found, and ends neither server (SP-38)', async () => {
  for (const port of [metricsPort, mcpMetricsPort]) {
    const statusOf = async (path: string) => (await sendRaw(`http://localhost:${port}${path}`)).status;
    expect(await statusOf('//')).toBe(404);
    expect(await statusOf('//metrics')).toBe(404);
    expect(await statusOf('/metrics?x')).toBe(200);
  }
});

test('the guide names every metric that the servers have, with its type and labels, and no other', async () => {
  const guide = await file('docs/watching.md');
  const rows = [...guide.matchAll(/^\| `(portcullis_\w+)` \| (\w+) \| ([^|]*?) ?\|/gm)];
  const documented = rows.map(([, name, type, labels = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(),
  }));
  const shown = [...metricsIn(await counted()), ...metricsIn(await countedAtMcp())].filter(({ name }) =>
    name.startsWith('portcullis_'),
  );
  expect(new Set(documented.map(({ name }) => name)).size).toBe(documented.length);
  expect(documented.map(({ name, type }) => `${type} ${name}`).sort()).toEqual(
    [...new Set(shown.map(({ name, type }) => `${type} ${name}`))].sort(),
  );
  for (const { name, labels } of shown) {
    expect({ name, labels: documented.find((metric) => metric.name === name)?.labels }).toEqual({
      name,
      labels: expect.arrayContaining(labels),
    });
  }
});

const ruleFile = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          annotations: z.strictObject({
            summary: z.string(),
            description: z.string(),
            action: z.string(),
            runbook: z.string(),
          }),
        }),
      ),
    }),
  ),
});
const dashboardFile = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) })),
});

/** A file of this repository. */
const file = (path: string) => readFile(new URL(`../../../../${path}`, import.meta.url), 'utf8');

test('alerts and dashboard ask for nothing that the servers do not have, and each alert says what to do', async () => {
  const guide = await file('docs/watching.md');
  const rules = ruleFile
    .parse(parse(await file('deploy/monitoring/alerts.yaml')))
    .groups.flatMap((group) => group.rules);
  const { panels } = dashboardFile.parse(JSON.parse(await file('deploy/monitoring/dashboard.json')));
  const shown = new Map(
    [...metricsIn(await counted()), ...metricsIn(await countedAtMcp())].flatMap(({ name, type }) =>
      (type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).map(
        (suffix) => [`${name}${suffix}`, name] as const,
      ),
    ),
  );
  // Prometheus adds these itself.
  const always = ['job', 'instance', 'le'];
  const labelsOf = (metric: string) => {
    const row = guide.split('\n').find((line) => line.startsWith(`| \`${metric}\` |`));
    return [...(row?.split('|')[3] ?? '').matchAll(/`(\w+)`/g)].map(([, label]) => label);
  };
  const problems = (text: string): string[] => {
    const expression = readPromql(text.replaceAll('$__rate_interval', '5m'));
    const labels = expression.asked.flatMap(({ metric }) => labelsOf(shown.get(metric) ?? ''));
    return [
      ...expression.problems.map((place) => `no PromQL at ${place}`),
      ...(expression.asked.length === 0 ? ['asks for nothing'] : []),
      ...expression.asked
        .filter(({ metric }) => metric !== 'up' && !shown.has(metric))
        .map(({ metric }) => `no metric ${metric}`),
      ...expression.asked.flatMap(({ metric, compared }) =>
        compared
          .filter(({ label }) => !always.includes(label))
          .flatMap(({ label, values }) => [
            ...(labelsOf(shown.get(metric) ?? '').includes(label) ? [] : [`no label ${label} at ${metric}`]),
            ...(label === 'route' || label === 'method' ? [] : values)
              .filter((value) => !guide.includes(`\`${value}\``))
              .map((value) => `no value ${value} of ${label}`),
          ]),
      ),
      ...expression.grouped
        .filter((label) => !always.includes(label) && !labels.includes(label))
        .map((label) => `no label ${label} to group by`),
    ];
  };
  const asked = [
    ...rules.map(({ alert, expr }) => ({ of: alert, expr })),
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ of: title, expr }))),
  ];
  expect(
    asked.map(({ of, expr }) => ({ of, problems: problems(expr) })).filter((each) => each.problems.length > 0),
  ).toEqual([]);
  // What is watched for must be found when the files are wrong too.
  expect(problems('rate(portcullis_token_reuse_total[5m]')).not.toEqual([]);
  expect(problems('portcullis_token_reused_total')).toEqual(['no metric portcullis_token_reused_total']);
  expect(problems('sum by (client) (portcullis_token_reuse_total)')).toEqual(['no label client to group by']);
  expect(problems('portcullis_login_failures_total{reason="wrong_password"}')).toEqual([
    'no value wrong_password of reason',
  ]);
  for (const { alert, annotations } of rules) {
    expect(annotations.runbook).toBe(`docs/watching.md#${alert.toLowerCase()}`);
    expect(guide).toContain(`\n### ${alert}\n`);
  }
  expect(guide.match(/^### Portcullis\w+$/gm)).toHaveLength(rules.length);
});

test('no label is what a client sent: neither paths, methods, names nor ids make new series (SP-38)', async () => {
  const target = await targetOf(stack);
  const client = await registerClient(target, { client_name: 'hostile-name' });
  const person = createHttpPerson();
  const { access } = tokensOf(await redeem(target, client, { code: await obtainCode(target, client, { person }) }));
  const attack = async (mark: string) => {
    for (const path of [
      `/${mark}`,
      `/interaction/${mark}`,
      `/register/${mark}`,
      `/authorize/${mark}`,
      `/logos/${mark}`,
    ])
      await sendRaw(`${stack.issuer}${path}?${mark}=${mark}`, { headers: { 'user-agent': mark, traceparent: mark } });
    await sendRaw(`${stack.issuer}/token`, { method: 'PROPFIND' });
    await redeem(target, client, { code: { code: mark, verifier: mark }, changes: { grant_type: mark } });
    await sendRaw(`${new URL(stack.mcpUrl).origin}/${mark}`);
    await callTool(stack.mcpUrl, { token: access, name: mark, args: { [mark]: mark } });
    await callTool(stack.mcpUrl, { token: `${mark}.${mark}.${mark}`, name: 'whoami' });
  };
  const series = async () => {
    const lines = `${await counted()}\n${await countedAtMcp()}`.split('\n');
    const text = lines.filter((line) => line.startsWith('portcullis_')).join('\n');
    return { text, names: new Set(text.split('\n').map((line) => line.replace(/ [^ ]*$/, ''))) };
  };
  await attack('hostile-1');
  // An answer is counted when its last byte has gone, and what it led to may come later.
  await pollUntil(async () => (await counted()).includes('route="/internal/audit",method="POST"'), { what: 'counts' });
  await pollUntil(async () => sampleOf(await countedAtMcp(), 'portcullis_guard_refusals_total') > 0, {
    what: 'counts',
  });
  const before = await series();
  await attack('hostile-2');
  await attack('hostile-3');
  const after = await series();
  expect(after.text).not.toContain('hostile');
  expect(after.text).not.toContain(client.id);
  expect(after.text).not.toContain(OWNER.email);
  expect([...after.names].filter((name) => !before.names.has(name))).toEqual([]);
  expect(after.text).toMatch(/_count\{route="other",method="GET",status="4xx"\} [1-9]/);
  expect(after.text).toMatch(/^portcullis_tool_calls_total\{tool="unknown",decision="unknown-tool"\} 3$/m);
  expect(after.text).toMatch(
    /^portcullis_token_requests_total\{grant_type="other",outcome="unsupported_grant_type"\} 3$/m,
  );
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

  const text = await server.metrics();
  const counts = Object.fromEntries(
    text
      .split('\n')
      .filter((line) => /^portcullis_(?!http_|audit_|database_)/.test(line) && !line.endsWith(' 0'))
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
    'portcullis_token_requests_total{grant_type="authorization_code",outcome="success"}': '2',
    'portcullis_token_requests_total{grant_type="authorization_code",outcome="invalid_grant"}': '1',
    'portcullis_token_requests_total{grant_type="refresh_token",outcome="success"}': '4',
    'portcullis_token_requests_total{grant_type="refresh_token",outcome="invalid_grant"}': '2',
    'portcullis_grants_started_total{by="consent"}': '2',
    'portcullis_grants_ended_total{by="reuse"}': '2',
    'portcullis_registrations_total{kind="dynamic",outcome="registered"}': '1',
    'portcullis_logins_total{way="password"}': '1',
  });
  expect(metricNamed(text, 'portcullis_http_request_duration_seconds')).toContain(
    '_count{route="/token",method="POST",status="2xx"} 6',
  );
  await server.close();
  await database.drop();
});

test('sign-ins and registrations that fail are counted by class, and what a limit turns away by limit', async () => {
  const database = await createTestDatabase();
  const server = await startInProcess({
    databaseUrl: database.url,
    env: OWNER_ENV,
    configuration: { registration: { quota: { perNetworkPerHour: 1, overallPerHour: 100 } } },
  });
  const target = await targetOf(server);
  const client = await registerClient(target);
  await expect(registerClient(target, { client_name: 'One too many' })).rejects.toThrow();
  await expect(registerClient(target, { redirect_uris: 'no list' })).rejects.toThrow();
  const person = createHttpPerson();
  let step = await person.open(authorizationRequest(target, client).url);
  for (let tries = 0; tries < 11 && asks(step, 'login'); tries++)
    step = await person.submit(step, { email: OWNER.email, password: 'wrong', action: 'login' });
  const text = await server.metrics();
  expect(text).toMatch(/^portcullis_login_failures_total\{reason="wrong_credentials"\} 10$/m);
  expect(text).toMatch(/^portcullis_login_failures_total\{reason="too_many_failures"\} 1$/m);
  expect(text).toMatch(/^portcullis_limiter_hits_total\{limit="sign-in-place"\} 1$/m);
  expect(text).toMatch(/^portcullis_limiter_hits_total\{limit="registration-network"\} [12]$/m);
  expect(text).toMatch(/^portcullis_registrations_total\{kind="dynamic",outcome="registered"\} 1$/m);
  expect(text).toMatch(/^portcullis_registrations_total\{kind="dynamic",outcome="over_limit"\} [12]$/m);
  await server.close();
  await database.drop();
});
