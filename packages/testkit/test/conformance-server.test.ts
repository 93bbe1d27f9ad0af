import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { bearer, callMcp } from '../src/attacker.ts';
import { createEndpoint } from '../src/conformance/fixture-endpoint.ts';
import type { ConformanceTarget } from '../src/conformance/fixture-server.ts';
import { startConformanceTarget } from '../src/conformance/fixture-server.ts';
import type { ConformanceCheck, ConformanceRun } from '../src/conformance/run.ts';
import { requiredServerScenarios, runConformance } from '../src/conformance/run.ts';

const suiteTimeoutMs = 120_000;
const revisions = ['2025-11-25', '2026-07-28'] as const;
type Revision = (typeof revisions)[number];

/** Runs the suite in a folder of its own that is gone afterwards. */
async function run(target: ConformanceTarget, args: readonly string[]): Promise<ConformanceRun> {
  const outDir = await mkdtemp(path.join(tmpdir(), 'portcullis-conformance-'));
  try {
    return await runConformance({ args: ['server', '--url', target.url, ...args], outDir, timeoutMs: suiteTimeoutMs });
  } finally {
    await rm(outDir, { recursive: true });
  }
}

/** What a scenario found, apart from the check of every message against the schema, which any server passes. */
function findings(checks: readonly ConformanceCheck[] = []): ConformanceCheck[] {
  return checks.filter(({ id }) => id !== 'wire-schema-valid');
}

/** Whether a scenario looked at something and was content with all of it: no failure, and no warning, skip or remark either. */
function isContent(checks: readonly ConformanceCheck[] = []): boolean {
  return findings(checks).length > 0 && checks.every(({ status }) => status === 'SUCCESS');
}

function contentScenarios({ scenarios }: ConformanceRun, required: readonly string[]): string[] {
  return required.filter((scenario) => isContent(scenarios.get(scenario))).sort();
}

/** Scenarios that a server with two tools of its own passes; `evidence` looks closer at those that should need more. */
const needNoFixture: Record<Revision, string[]> = {
  '2025-11-25': ['dns-rebinding-protection', 'ping', 'server-initialize', 'server-sse-multiple-streams', 'tools-list'],
  '2026-07-28': [
    'dns-rebinding-protection',
    'input-required-result-unsupported-methods',
    'input-required-result-validate-input',
    'server-sse-multiple-streams',
    'tools-list',
  ],
};

function createBareServer(): McpServer {
  const server = new McpServer({ name: 'bare', version: '1.0.0' });
  server.registerTool('say_nothing', { description: 'Says nothing' }, () => ({ content: [] }));
  server.registerTool('keep_quiet', { description: 'Says nothing either' }, () => ({ content: [] }));
  return server;
}

const resultSchema = z.object({
  result: z.object({
    isError: z.boolean().optional(),
    resultType: z.string().optional(),
    content: z.array(z.object({ text: z.string() })).optional(),
  }),
});

/** What the tools answered in scenarios that are content with less: an unknown tool's error, or any error at all. */
function evidence({ scenarios }: ConformanceRun, revision: Revision) {
  const answered = (scenario: string) => {
    const { result } = resultSchema.parse(findings(scenarios.get(scenario))[0]?.details);
    return {
      isError: result.isError ?? false,
      asks: result.resultType === 'input_required',
      text: result.content?.[0]?.text,
    };
  };
  const names = ['tools-call-simple-text', 'tools-call-error'];
  if (revision === '2026-07-28') names.push('input-required-result-validate-input');
  return Object.fromEntries(names.map((name) => [name, answered(name)]));
}

const toolEvidence = {
  'tools-call-simple-text': { isError: false, asks: false, text: 'This is a simple text response for testing.' },
  'tools-call-error': { isError: true, asks: false, text: 'This tool intentionally returns an error for testing' },
};

const expectedEvidence = {
  '2025-11-25': toolEvidence,
  '2026-07-28': {
    ...toolEvidence,
    'input-required-result-validate-input': { isError: false, asks: true, text: undefined },
  },
};

/** Rules that no test of ours tries again, and the suite's checks that show them; an id stands for all that begin with it. */
const shownBySuite: Record<Revision, [rule: string, checks: string[]][]> = {
  '2025-11-25': [
    ['TR-24: ids of sessions are visible ASCII', ['server-session-id-visible-ascii']],
    ['TR-25: a session that has ended is not found', ['server-session-terminated-returns-404']],
  ],
  '2026-07-28': [
    ['TR-8: what the revision has removed is no method any more', ['sep-2575-http-server-method-not-found-404']],
    ['TR-9: every request carries its _meta, or is refused', ['sep-2575-request-meta-invalid-']],
    ['TR-10: the version in the header is that of _meta', ['sep-2575-http-server-header-mismatch-400']],
    ['TR-13: headers that stand for arguments are those arguments', ['sep-2243-server-reject-param-mismatch']],
    [
      'TR-15: a capability that the client lacks is named in a refusal',
      ['sep-2575-missing-capability-http-400', 'sep-2575-server-rejects-undeclared-capability'],
    ],
    [
      'TR-16, TR-18: the server can be discovered, and answers without a request before',
      ['sep-2575-server-implements-discover'],
    ],
    ['TR-17: results say what they are', ['sep-2322-result-type-included']],
    [
      'TR-19: nothing stands on a stream but what belongs to its request',
      [
        'sep-2575-http-server-no-independent-requests-on-stream',
        'sep-2575-server-sends-subscription-ack',
        'sep-2575-server-tags-subscription-id',
      ],
    ],
  ],
};

describe.each(revisions)('conformance with %s behind the guard', (revision: Revision) => {
  let target: ConformanceTarget;
  let required: string[];
  let full: ConformanceRun;

  beforeAll(async () => {
    target = await startConformanceTarget();
    required = await requiredServerScenarios(revision);
    full = await run(target, ['--requirements', revision]);
  }, 2 * suiteTimeoutMs);

  afterAll(() => target.close());

  it('ends with exit status 0', () => {
    expect({ exitCode: full.exitCode, output: full.exitCode === 0 ? '' : full.output }).toEqual({
      exitCode: 0,
      output: '',
    });
  });

  it('runs every required scenario, and each finds something and nothing but success', () => {
    expect(required.length).toBe({ '2025-11-25': 30, '2026-07-28': 37 }[revision]);
    const discontent = required.filter((scenario) => !isContent(full.scenarios.get(scenario)));
    expect(discontent.map((scenario) => [scenario, full.scenarios.get(scenario)])).toEqual([]);
  });

  it.each(shownBySuite[revision])('%s', (_rule, ids) => {
    const checks = [...full.scenarios.values()].flat();
    for (const id of ids) {
      const found = checks.filter((check) => check.id.startsWith(id)).map(({ status }) => status);
      expect({ id, statuses: new Set(found) }).toEqual({ id, statuses: new Set(['SUCCESS']) });
    }
  });

  it('finds the fixtures where the suite would take another server for one that passes', () => {
    expect(evidence(full, revision)).toEqual(expectedEvidence[revision]);
  });

  it(
    'is not met by a server without the fixtures, but for what needs none',
    async () => {
      const bare = await startConformanceTarget({ endpoint: createEndpoint(createBareServer) });
      try {
        const result = await run(bare, ['--requirements', revision]);
        expect(result.exitCode).toBe(1);
        expect(contentScenarios(result, required)).toEqual(needNoFixture[revision]);
      } finally {
        await bare.close();
      }
    },
    suiteTimeoutMs,
  );

  it('passes the scenarios that are not scored yet but have fixtures', () => {
    const unscored = {
      '2025-11-25': ['json-schema-2020-12', 'server-session-lifecycle'],
      '2026-07-28': ['json-schema-2020-12', 'http-header-validation', 'http-custom-header-server-validation'],
    }[revision];
    expect(contentScenarios(full, unscored)).toEqual([...unscored].sort());
  });
});

describe('what conformance means', () => {
  let target: ConformanceTarget;

  beforeAll(async () => {
    target = await startConformanceTarget();
  });

  afterAll(() => target.close());

  it('RS-14: the fixture is guarded: without the proxy the same request gets a challenge', async () => {
    const direct = await callMcp(target.directUrl, { headers: { host: new URL(target.url).host } });
    expect(direct.status).toBe(401);
    expect(direct.headers['www-authenticate']).toMatch(/^Bearer /);
    expect((await callMcp(target.url)).status).toBe(200);
  });

  it('RS-24: a token for another resource does not get in', async () => {
    const token = await target.issuer.mint(`${target.url}/other`);
    const headers = { host: new URL(target.url).host, ...bearer(token) };
    expect((await callMcp(target.directUrl, { headers })).status).toBe(401);
  });

  it('RS-26, TR-24: the id of a session opens nothing without a token', async () => {
    const opened = await callMcp(target.url);
    const session = String(opened.headers['mcp-session-id']);
    expect(opened.status).toBe(200);
    const headers = { host: new URL(target.url).host, 'mcp-session-id': session };
    expect((await callMcp(target.directUrl, { headers, method: 'DELETE' })).status).toBe(401);
    expect((await callMcp(target.url, { headers, method: 'DELETE' })).status).toBe(200);
  });

  it('a subscription succeeds for the watched resource alone', async () => {
    const client = new Client({ name: 'subscriber', version: '1.0.0' });
    await client.connect(new StreamableHTTPClientTransport(new URL(target.url)));
    await expect(client.subscribeResource({ uri: 'test://watched-resource' })).resolves.toEqual({});
    await expect(client.subscribeResource({ uri: 'test://nothing' })).rejects.toThrow('not found');
    await client.close();
  });

  it('TR-1: it is the guard that refuses a foreign Host and Origin: without it the scenario fails', async () => {
    const unguarded = await startConformanceTarget({ isGuarded: false });
    try {
      const { exitCode, scenarios } = await run(unguarded, ['--scenario', 'dns-rebinding-protection']);
      const rejected = scenarios
        .get('dns-rebinding-protection')
        ?.find(({ id }) => id === 'localhost-host-rebinding-rejected');
      expect({ exitCode, status: rejected?.status }).toEqual({ exitCode: 1, status: 'FAILURE' });
    } finally {
      await unguarded.close();
    }
  });
});
