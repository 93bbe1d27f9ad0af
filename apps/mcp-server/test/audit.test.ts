import { getEventListeners } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type ReportedAuditRecord, reportedAuditRecord, Secret, timeOrderedIds } from '@portcullis/platform';
import { z } from 'zod';
import { openAudit } from '../src/audit/open-audit.ts';
import { redactedArguments } from '../src/audit/redacted-arguments.ts';
import { refusalWindow } from '../src/audit/refusal-window.ts';
import { repeatedRefusals } from '../src/audit/repeated-refusals.ts';
import { startSender } from '../src/audit/sender.ts';
import { openSpool } from '../src/audit/spool.ts';
import { recordToolCalls } from '../src/audit/tool-audit.ts';
import type { ToolDecision } from '../src/audit/tool-decision.ts';
import type { Call } from '../src/desk-server.ts';
import { DEFAULT_LIMITS, type Limits } from '../src/policy/limits.ts';
import type { McpServerDeps } from '../src/server.ts';
import { DESK_TOOLS } from '../src/tools/desk-tools.ts';
import { defineTool } from '../src/tools/tool.ts';
import { startDesk, type TestDesk } from './support/desk.ts';
import { startIssuer } from './support/issuer.ts';
import { ask, call, ERAS, type Era } from './support/messages.ts';
import { silentLogger } from './support/silent-logger.ts';

const SECRET = 'the secret of the desk: 43 characters, or so';

let desk: TestDesk | undefined;

afterEach(async () => {
  await desk?.close();
  desk = undefined;
});

const CALL: Call = {
  principal: {
    credential: 'access_token',
    subject: 'user-1',
    clientId: 'client-1',
    scopes: [],
    roles: [],
    expiresAt: new Date(),
  },
  upstreamToken: async () => {
    throw new Error('nothing upstream');
  },
  endOf: (over) => over,
  ...{ permits: () => true, correlationId: 'c', address: '192.0.2.1' },
};

let calls = 0;
const counting = defineTool({
  ...{ name: 'count', title: 'Count', callsPerMinute: 4, description: 'Counts its calls.', scopes: ['desk:read'] },
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  input: z.strictObject({ text: z.string().optional() }),
  output: z.strictObject({ calls: z.int() }),
  async run({ text }, { signal }) {
    if (text === 'wait') await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    if (text === 'break') throw new Error('a fault with a secret detail');
    calls += 1;
    return { ok: true, value: { calls } };
  },
});

const counted = { ...counting, callsPerMinute: 1000 };

async function startAudited(deps: Partial<McpServerDeps> = {}, limits: Partial<Limits> = {}): Promise<TestDesk> {
  desk = await startDesk({
    config: {
      ...{ clientSecret: new Secret(SECRET), whenFeedIsDown: 'until-expiry' },
      limits: { ...DEFAULT_LIMITS, ...limits },
    },
    deps: { tools: [...DESK_TOOLS, counted], ...deps },
  });
  return desk;
}

/** Every record once, in the order in which they came. */
function recordsOf({ issuer }: Pick<TestDesk, 'issuer'>): ReportedAuditRecord[] {
  const records = issuer.reports.flatMap((report) => report.records);
  return [...new Map(records.map((record) => [record.id, record])).values()];
}

async function untilRecorded(count: number, at: Pick<TestDesk, 'issuer'>): Promise<ReportedAuditRecord[]> {
  const deadline = Date.now() + 20_000;
  while (recordsOf(at).length < count && Date.now() < deadline) await pause(20);
  expect(recordsOf(at)).toHaveLength(count);
  return recordsOf(at);
}

describe('every call is in the audit trail, with its result (SP-37)', () => {
  test.each(ERAS)(
    'revision %s: success, an object of another user, fault, time-out, limit, no scope, no such tool, an expired token',
    async (era: Era) => {
      const audited = await startAudited({ tools: [...DESK_TOOLS, counting] }, { toolTimeoutMs: 300 });
      const token = await audited.token('desk:read');
      const nowSeconds = Math.floor(Date.now() / 1000);
      const expired = await audited.token('desk:read', { iat: nowSeconds - 400, exp: nowSeconds - 100 });
      const attempts = [
        [{ name: 'search_tickets', args: { query: 'printer' } }, 'success', 'success'],
        [{ name: 'read_ticket', args: { ticketId: 'T-901' } }, 'denied', 'impossible'],
        [{ name: 'read_ticket', args: { ticketId: 7, password: 'hunter2' } }, 'denied', 'invalid-arguments'],
        [{ name: 'count', args: { text: 'break' } }, 'error', 'failed'],
        [{ name: 'count', args: { text: 'wait' } }, 'error', 'timed-out'],
        [{ name: 'count' }, 'success', 'success'],
        [{ name: 'count' }, 'success', 'success'],
        [{ name: 'count' }, 'denied', 'over-limit'],
        [{ name: 'reply_to_ticket', args: { ticket: 'T-1001', text: 'Hello' } }, 'denied', 'insufficient-scope'],
        [{ name: 'export_customers' }, 'denied', 'hidden-tool'],
        [{ name: 'drop_tables' }, 'denied', 'unknown-tool'],
      ] as const;
      for (const [attempt] of attempts) await call(audited, { token, era, ...attempt });
      expect((await call(audited, { token: expired, era, name: 'whoami' })).status).toBe(401);

      const records = await untilRecorded(attempts.length + 1, audited);
      for (const record of records) expect(reportedAuditRecord.safeParse(record).success).toBe(true);
      expect(
        records.slice(0, -1).map(({ tool, outcome, detail }) => ({ tool, outcome, decision: detail?.decision })),
      ).toEqual(attempts.map(([{ name }, outcome, decision]) => ({ tool: name, outcome, decision })));
      expect(records[0]).toMatchObject({
        ...{ type: 'tool.called', subject: 'user-1', client: 'client-1', address: '127.0.0.1' },
        ...{ arguments: { query: 'printer' }, sizeBytes: expect.any(Number), durationMs: expect.any(Number) },
        correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(records.at(-1)).toMatchObject({
        ...{ type: 'request.refused', outcome: 'denied', address: '127.0.0.1', detail: { reason: 'expired' } },
        correlationId: expect.any(String),
      });
      const [report] = audited.issuer.reports;
      expect(report?.resource).toBe(audited.config.mcpUrl);
      expect(Buffer.from(report?.authorization?.slice('Basic '.length) ?? '', 'base64').toString()).toBe(
        `mcp-server:${encodeURIComponent(SECRET)}`,
      );
      const all = JSON.stringify(records);
      for (const secret of [token, expired, token.split('.')[2] ?? '', 'hunter2', 'secret detail']) {
        expect(all).not.toContain(secret);
      }
    },
  );
});

test('SP-37 RS-30 a call with a state that was made up ends before its handler, and is in the trail', async () => {
  const audited = await startAudited();
  const token = await audited.token('desk:read');
  const params = { name: 'search_tickets', arguments: { query: 'printer' }, requestState: 'made up' };
  const { message } = await ask(audited, { token, era: '2026-07-28', method: 'tools/call', params });
  expect(message.error?.code).toBe(-32602);
  expect(await untilRecorded(1, audited)).toMatchObject([
    { tool: 'search_tickets', outcome: 'denied', subject: 'user-1', detail: { decision: 'not-confirmed' } },
  ]);
});

test('SP-29 SP-37 split in two, each half records its calls as the server of its own resource, and waits alone', async () => {
  desk = await startDesk({
    config: { split: true, clientSecret: new Secret(SECRET), whenFeedIsDown: 'until-expiry' },
    deps: { spoolBytes: 4000 },
  });
  const { issuer, url: whole } = desk;
  const everything = { scope: 'desk:read desk:write', roles: ['agent'] };
  const half = async (name: 'read' | 'act') => {
    const url = `${whole}/${name}`;
    return { url, ask: { token: await issuer.token(url, everything), name: 'whoami' } };
  };
  const [read, act] = [await half('read'), await half('act')];
  // What one half cannot send fills the other's place by nothing.
  issuer.answerReports(({ resource }) => (resource === read.url ? 403 : 200));
  let refused = 0;
  for (let i = 0; i < 30 && refused === 0; i++) if ((await call(read, read.ask)).message.result?.isError) refused += 1;
  expect(refused).toBe(1);
  expect((await call(act, act.ask)).message.result?.isError).toBeUndefined();
  expect((await call(act, { ...act.ask, token: read.ask.token })).status).toBe(401);

  const sentBy = (url: string) => issuer.reports.filter(({ resource }) => resource === url);
  const deadline = Date.now() + 20_000;
  while (sentBy(act.url).flatMap(({ records }) => records).length < 2 && Date.now() < deadline) await pause(20);
  const types = (url: string) => new Set(sentBy(url).flatMap(({ records }) => records.map(({ type }) => type)));
  expect(types(act.url)).toEqual(new Set(['tool.called', 'request.refused']));
  expect(types(read.url)).toEqual(new Set(['tool.called']));
  const clients = (url: string) =>
    new Set(sentBy(url).map(({ authorization = '' }) => atob(authorization.slice('Basic '.length)).split(':')[0]));
  expect([clients(read.url), clients(act.url)]).toEqual([new Set(['mcp-server']), new Set(['mcp-server-act'])]);
  expect(issuer.reports).toHaveLength(sentBy(read.url).length + sentBy(act.url).length);
});

describe('records outlive what happens to either server (SP-37)', () => {
  test('what cannot be sent waits, is sent in order, and again with the same id where the answer was lost', async () => {
    const audited = await startAudited();
    const token = await audited.token('desk:read');
    audited.issuer.answerReports(503);
    for (let i = 0; i < 12; i++) {
      const { message } = await call(audited, { token, name: 'count', args: { text: `call ${i}` } });
      expect(message.result?.isError).toBeUndefined();
    }
    while (audited.issuer.reports.length < 2) await pause(20);
    audited.issuer.answerReports(200);
    expect((await untilRecorded(12, audited)).map((record) => record.arguments?.text)).toEqual(
      Array.from({ length: 12 }, (_, i) => `call ${i}`),
    );
  });

  test('what two servers on one folder leave behind, one that comes later sends', async () => {
    const issuer = await startIssuer();
    const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-spool-'));
    const part = { name: 'whole', url: 'http://localhost/mcp', clientId: 'desk' } as const;
    const config = { issuer: issuer.url, dataDir, limits: DEFAULT_LIMITS, ...part };
    const open = () =>
      openAudit({ ...config, clientSecret: new Secret(SECRET) }, { logger: silentLogger, now: () => new Date() });
    issuer.answerReports(401);
    const both = [open(), open()];
    for (const [i, audit] of both.entries()) {
      expect(audit.record({ decision: 'success', tool: `tool ${i}`, arguments: {}, call: CALL, durationMs: 1 })).toBe(
        true,
      );
      await audit.close();
    }
    issuer.reports.splice(0);
    issuer.answerReports(200);
    const later = open();
    try {
      const records = await untilRecorded(2, { issuer });
      expect(records.map(({ tool }) => tool)).toEqual(['tool 0', 'tool 1']);
    } finally {
      await later.close();
      await issuer.close();
      await rm(dataDir, { recursive: true });
    }
  });

  test('a record that makes the whole report refused is set aside; those before and after it are taken', async () => {
    const audited = await startAudited();
    const token = await audited.token('desk:read');
    const isPoison = ({ arguments: args }: ReportedAuditRecord) => args?.text === 'call 3';
    const taken: ReportedAuditRecord[] = [];
    audited.issuer.answerReports(503);
    for (let i = 0; i < 8; i++) await call(audited, { token, name: 'count', args: { text: `call ${i}` } });
    audited.issuer.answerReports(({ records }) => {
      if (records.some(isPoison)) return 400;
      taken.push(...records);
      return 200;
    });
    const deadline = Date.now() + 20_000;
    while (taken.length < 7 && Date.now() < deadline) await pause(20);
    const texts = [0, 1, 2, 4, 5, 6, 7].map((i) => `call ${i}`);
    expect(taken.map((record) => record.arguments?.text)).toEqual(texts);
    const own = join(audited.config.dataDir, 'audit-spool', '0');
    const refusedFiles = async () => (await readdir(own)).filter((name) => name.endsWith('.refused'));
    while ((await refusedFiles()).length === 0 && Date.now() < deadline) await pause(20);
    const [name = 'none'] = await refusedFiles();
    const lines = (await readFile(join(own, name), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).arguments)).toEqual([{ text: 'call 3' }]);
  });

  test('a disk that fails for a while ends nothing, and nothing gathers in the sender while it idles', async () => {
    const issuer = await startIssuer();
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-spool-'));
    const spool = openSpool(folder, { limitBytes: 1024 * 1024, reserveBytes: 0 });
    let reads = 0;
    const oldest = () => {
      reads += 1;
      if (reads < 3) throw new Error('the disk is away');
      return spool.oldest();
    };
    const sender = startSender({
      ...{ issuer: issuer.url, resource: 'http://localhost/mcp', clientId: 'desk', clientSecret: SECRET },
      ...{ spool: { ...spool, oldest }, logger: silentLogger },
    });
    try {
      for (let i = 1; i <= 5; i++) {
        spool.append(JSON.stringify({ id: String(i) }), { mayUseReserve: false });
        sender.wake();
        await untilRecorded(i, { issuer });
      }
      const abort = AbortController.prototype.abort;
      jest.spyOn(AbortController.prototype, 'abort').mockImplementationOnce(function (this: AbortController) {
        expect(getEventListeners(this.signal, 'abort').length).toBeLessThan(2);
        abort.call(this);
      });
      await sender.close();
    } finally {
      jest.restoreAllMocks();
      await sender.close();
      spool.close();
      await issuer.close();
      await rm(folder, { recursive: true });
    }
  });

  test('what was refused fills nothing up, and is kept up to 4 MiB', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-spool-'));
    const spool = openSpool(folder, { limitBytes: 3 * 1024 * 1024, reserveBytes: 0 });
    const line = 'x'.repeat(1024 * 1024);
    const kept: boolean[] = [];
    try {
      for (let i = 0; i < 6; i++) {
        expect(spool.append(line, { mayUseReserve: false })).toBe(true);
        const file = spool.oldest();
        if (file) kept.push(spool.setAside(file, file.lines));
        expect(spool.isFull()).toBe(false);
      }
      expect(kept).toEqual([true, true, true, false, false, false]);
      expect(spool.oldest()).toBeUndefined();
    } finally {
      spool.close();
      await rm(folder, { recursive: true });
    }
  });

  test('while nothing more can be kept, no tool is called', async () => {
    const audited = await startAudited({ spoolBytes: 4000 });
    const token = await audited.token('desk:read');
    audited.issuer.answerReports(503);
    calls = 0;
    let refused = 0;
    for (let i = 0; i < 30; i++) {
      const { status, message } = await call(audited, { token, name: 'count' });
      expect(status).toBe(200);
      if (message.result?.isError) refused += 1;
    }
    expect(refused).toBeGreaterThan(10);
    expect(calls + refused).toBe(30);
    audited.issuer.answerReports(200);
    for (;;) {
      const { message } = await call(audited, { token, name: 'count', args: { text: 'again' } });
      if (!message.result?.isError) break;
      await pause(50);
    }
  });
});

test('SP-37 calls that have begun are recorded, whatever is refused meanwhile because nothing more can be kept', async () => {
  const open = Promise.withResolvers<void>();
  let begun = 0;
  const slow = defineTool({
    ...{ name: 'slow', title: 'Slow', description: 'Waits, and acts.', scopes: ['desk:read'] },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    input: z.strictObject({ texts: z.array(z.string()) }),
    output: z.strictObject({}),
    async run() {
      begun += 1;
      await open.promise;
      return { ok: true, value: {} };
    },
  });
  const callsAtOnce = 6;
  const audited = await startAudited(
    { tools: [slow, counted], spoolBytes: 4000 },
    { callsAtOnce, userCallsAtOnce: callsAtOnce },
  );
  audited.issuer.answerReports(503);
  const token = await audited.token('desk:read');
  // Records of two or three KB.
  const args = { texts: Array.from({ length: 20 }, (_, i) => `${i} `.repeat(200)) };
  const running = Array.from({ length: callsAtOnce - 1 }, () => call(audited, { token, name: 'slow', args }));
  while (begun < running.length) await pause(5);

  const isRefused = async (name: string, text: unknown) =>
    (await call(audited, { token, name, args: text })).message.result?.isError === true;
  while (!(await isRefused('count', { text: 'fills it up' })));
  // More than the whole reserve, if they could have any of it.
  for (let i = 0; i < 40; i++) expect(await isRefused('slow', args)).toBe(true);
  for (let i = 0; i < 40; i++) await call(audited, { token, name: 'drop_tables', args });

  open.resolve();
  for (const { message } of await Promise.all(running)) expect(message.result?.isError).toBeUndefined();
  audited.issuer.answerReports(200);
  const slowOnes = () => recordsOf(audited).filter(({ tool }) => tool === 'slow');
  const deadline = Date.now() + 20_000;
  while (slowOnes().length < running.length && Date.now() < deadline) await pause(20);
  expect(slowOnes().map(({ detail }) => detail?.decision)).toEqual(running.map(() => 'success'));
});

test('SP-37 calls that were not made for want of a place are counted, and told when there is one', () => {
  jest.useFakeTimers();
  let now = new Date('2026-11-20T10:00:00Z');
  let full = true;
  const lines: string[] = [];
  const append = (line: string) => !full && lines.push(line) > 0;
  const waiting = () => ({ bytes: 0, oldestAgeSeconds: 0 });
  const rest = { oldest: () => undefined, remove: () => {}, setAside: () => true, close: () => {} };
  const spool = { append, isFull: () => full, waiting, ...rest };
  const audit = recordToolCalls({ spool, sender: { wake: () => {} }, logger: silentLogger, now: () => now });
  try {
    const refused = { decision: 'not-recordable', tool: 'count', arguments: {}, call: CALL, durationMs: 0 } as const;
    for (let i = 0; i < 3; i++) audit.record(refused);
    now = new Date(now.getTime() + 120_000);
    jest.advanceTimersByTime(10_000);
    full = false;
    jest.advanceTimersByTime(10_000);
    expect(lines.map((line) => JSON.parse(line).detail)).toEqual([
      { decision: 'not-recordable', notRecorded: 3, since: '2026-11-20T10:00:00.000Z' },
    ]);
  } finally {
    audit.close();
    jest.useRealTimers();
  }
});

describe('what is recorded is redacted and bounded (SP-8, SP-37)', () => {
  test('secrets by name and by look, e-mail addresses, long text, deep and large values', () => {
    const jwt = `eyJhbGciOiJFUzI1NiJ9.${'a1'.repeat(30)}.${'b2'.repeat(20)}`;
    expect(
      redactedArguments({
        ...{ apiKey: 'x', newPassword: 'y', text: `write to ada@example.com with ${jwt}`, ticket: 'T-1001', page: 2 },
        ...{ note: 'word '.repeat(100), deep: { a: { b: { c: 1 } } }, pct: `pct_${'q7'.repeat(22)}` },
      }),
    ).toEqual({
      ...{
        apiKey: '[redacted]',
        newPassword: '[redacted]',
        text: 'write to [e-mail] with [redacted]… (152 characters)',
      },
      ...{ ticket: 'T-1001', page: 2, note: `${'word '.repeat(20)}… (500 characters)` },
      ...{ deep: { a: { b: '[object]' } }, pct: '[redacted]' },
    });
    const large = redactedArguments(
      Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`m${i}`, 'x'.repeat(1e5)])),
    );
    expect(JSON.stringify(large).length).toBeLessThan(5000);
    for (const odd of [undefined, null, 'text', [1], 7]) expect(redactedArguments(odd)).toEqual({});
  });

  test('a name that some readers of JSON refuse is written as another', () => {
    const args = JSON.parse('{"__proto__": {"__proto__": "a"}, "list": [{"__proto__": 1}]}');
    expect(redactedArguments(args)).toEqual({ '[__proto__]': { '[__proto__]': 'a' }, list: [{ '[__proto__]': 1 }] });
  });

  test.each([
    ['one name of a megabyte', { ['a'.repeat(1e6)]: 1 }],
    ['one value of a megabyte', { text: 'a'.repeat(1e6) }],
  ])('%s holds nobody up', (_what, args) => {
    // Ends it: no other deadline could, since nothing else runs meanwhile.
    const record = runInNewContext('redactedArguments(args)', { redactedArguments, args }, { timeout: 5000 });
    expect(JSON.stringify(record).length).toBeLessThan(200);
  });

  test('a flood of bad tokens leaves 20 records a minute, and one that counts the others', () => {
    const window = refusalWindow(timeOrderedIds());
    const begin = new Date('2026-11-20T10:00:00Z');
    const origin = { address: '192.0.2.1', correlationId: 'c' };
    const noted = Array.from({ length: 100 }, () => window.note({ reason: 'bad_signature' }, origin, begin));
    expect(noted.filter((record) => record !== undefined)).toHaveLength(20);
    expect(window.note({ reason: 'no_credentials' }, origin, begin)).toBeUndefined();
    expect(window.sum(begin)).toBeUndefined();
    const sum = window.sum(new Date(begin.getTime() + 60_000));
    expect(sum).toMatchObject({ type: 'request.refused', detail: { notRecorded: { bad_signature: 80 } } });
    expect(window.sum(new Date(begin.getTime() + 120_000))).toBeUndefined();
    expect(window.note({ reason: 'expired' }, origin, begin)).toMatchObject({ detail: { reason: 'expired' } });
  });

  test('a flood with a good token leaves 20 records a minute of each kind, without arguments', async () => {
    const audited = await startAudited({ tools: [...DESK_TOOLS, counting] });
    const token = await audited.token('desk:read');
    const args = { text: 'a flood' };
    for (const name of ['drop_tables', 'export_customers', 'count'])
      for (let i = 0; i < 25; i++) await call(audited, { token, name, args });
    await call(audited, { token, name: 'whoami' });
    // 20 of each kind, then the last call: records come in the order of the calls, so that none is missing by chance.
    const last = () => recordsOf(audited).at(-1)?.tool;
    const deadline = Date.now() + 20_000;
    while (last() !== 'whoami' && Date.now() < deadline) await pause(20);
    const refused = recordsOf(audited).filter(({ outcome }) => outcome === 'denied');
    const kinds = Map.groupBy(refused, ({ detail }) => detail?.decision);
    expect([...kinds].map(([decision, records]) => [decision, records.length])).toEqual([
      ['unknown-tool', 20],
      ['hidden-tool', 20],
      ['over-limit', 20],
    ]);
    for (const record of refused) expect(record).not.toHaveProperty('arguments');
    expect(last()).toBe('whoami');
  });

  test('what a flood with a good token left out is counted for each user, app and decision', () => {
    const repeated = repeatedRefusals(timeOrderedIds());
    const begin = new Date('2026-11-20T10:00:00Z');
    const over = new Date(begin.getTime() + 60_000);
    const recorded = (decision: ToolDecision, count: number, subject = 'user-1') =>
      Array.from({ length: count }, () =>
        repeated.isRecorded({ decision, call: { ...CALL, principal: { ...CALL.principal, subject } } }, begin),
      ).filter(Boolean).length;
    expect(recorded('over-limit', 100)).toBe(20);
    expect(recorded('over-limit', 5, 'user-2')).toBe(5);
    expect(recorded('unknown-tool', 21)).toBe(20);
    expect(recorded('success', 500)).toBe(500);
    expect(recorded('not-recordable', 30)).toBe(0);
    expect(repeated.sum(begin)).toEqual([]);
    const sums = repeated.sum(over);
    const by = { type: 'tool.called', outcome: 'denied', subject: 'user-1', client: 'client-1' };
    const since = begin.toISOString();
    expect(sums).toEqual([
      expect.objectContaining({ ...by, detail: { decision: 'over-limit', notRecorded: 80, since } }),
      expect.objectContaining({ ...by, detail: { decision: 'unknown-tool', notRecorded: 1, since } }),
      expect.objectContaining({
        ...by,
        outcome: 'error',
        detail: { decision: 'not-recordable', notRecorded: 30, since },
      }),
    ]);
    for (const sum of sums) expect(reportedAuditRecord.safeParse(sum).success).toBe(true);
    expect(repeated.sum(over)).toEqual([]);
    expect(recorded('over-limit', 25)).toBe(20);
  });
});
