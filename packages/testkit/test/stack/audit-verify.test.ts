import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createAuditLog } from '@portcullis/persistence';
import { recordHash, type SealedAuditRecord } from '@portcullis/platform';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { adminTokens } from './support/administration.ts';
import { targetOf } from './support/authorization.ts';
import { type CommandEnd, type CommandLine, createCommandLine } from './support/command-line.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

let folder: string;
let anchors: string;
let database: TestDatabase;
let server: InProcess;
let admin: CommandLine;
/** A machine with nothing but the files. */
let elsewhere: CommandLine;

const postgresql = globalThis.portcullisTestDatabase === 'postgresql';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-audit-'));
  anchors = join(folder, 'audit-anchors.jsonl');
  database = await createTestDatabase();
  server = await start();
  admin = createCommandLine();
  admin.signIn(server.issuer, await adminTokens(await targetOf(server)));
  elsewhere = createCommandLine();
});

/** Starts a server, or a replica beside it whose clock is its own. */
function start(issuer?: string): Promise<InProcess> {
  return startInProcess({
    databaseUrl: database.url,
    env: { ...OWNER_ENV, PORTCULLIS_DATA_DIR: folder },
    configuration: { audit: { keepDays: 30 } },
    ...(issuer !== undefined && { issuer }),
  });
}

afterAll(async () => {
  for (const line of [admin, elsewhere]) line?.remove();
  await server?.close();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function record(count: number, time = server.now()): Promise<void> {
  const log = createAuditLog(server.database);
  for (let i = 0; i < count; i++) {
    const event = { type: 'tool.called', outcome: 'success', tool: 'search_tickets' } as const;
    await log.record({ ...event, time, subject: 'ada', arguments: { text: `ticket ${i}` } });
  }
  await server.audit.seal();
}

const verify = (...args: string[]): Promise<CommandEnd> => admin.run(['audit', 'verify', ...args]);

/** What the owner of the tables, or of their disk, can do. */
async function asOwner(...statements: string[]): Promise<void> {
  for (const statement of statements) await server.database.prisma.$executeRawUnsafe(statement);
}

async function sealed(): Promise<SealedAuditRecord[]> {
  const { out } = await admin.run(['audit', 'export', '--json']);
  return JSON.parse(out).items;
}

/** Finds the record `back` places before the last one. */
async function fromEnd(back: number): Promise<SealedAuditRecord> {
  const found = (await sealed()).at(-1 - back);
  if (!found) throw new Error('so many records there are not');
  return found;
}

/** Seals a record again so that it is good by itself; what `change` leaves out stays. */
function resealed(original: SealedAuditRecord, change: Partial<SealedAuditRecord>): SealedAuditRecord {
  const changed = { ...original, ...change };
  return { ...changed, hash: recordHash(changed) };
}

describe('SP-37: tampering in the database is found, and the first broken record named', () => {
  const table = '"AuditEvent"';

  beforeAll(async () => {
    // Whoever owns the tables is not kept back by what guards against mistakes.
    const names = ['AuditEvent_unchanged', 'AuditEvent_sealed_once', 'AuditEvent_kept'];
    await asOwner(...names.map((name) => `DROP TRIGGER "${name}"${postgresql ? ` ON ${table}` : ''}`));
    await record(12);
    await server.audit.anchor();
    await asOwner(`CREATE TABLE "Untouched" AS SELECT * FROM ${table}`);
  });

  const undo = () => asOwner(`DELETE FROM ${table}`, `INSERT INTO ${table} SELECT * FROM "Untouched"`);
  beforeEach(undo);
  afterAll(undo);

  /** The attack, and that the chain alone, without anchors, shows it or does not. */
  async function attack(statements: string[], { named, byChain = true }: { named: RegExp; byChain?: boolean }) {
    await asOwner(...statements);
    const end = await verify('--anchor', anchors);
    expect(end).toMatchObject({ code: 1, err: expect.stringMatching(named) });
    const json = await verify('--anchor', anchors, '--json');
    expect(JSON.parse(json.out)).toMatchObject({ intact: false });
    expect((await verify()).code).toBe(byChain ? 1 : 0);
  }

  test('nothing is wrong to begin with', async () => {
    expect(await verify('--anchor', anchors)).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/not anchored yet +0/),
    });
  });

  test('one is changed', async () => {
    const { seq, id } = await fromEnd(5);
    await attack([`UPDATE ${table} SET "subject" = 'eve' WHERE "seq" = ${seq}`], {
      named: new RegExp(`Record ${seq} \\(${id}\\) is not what was sealed`),
    });
  });

  test('one is removed', async () => {
    const { seq } = await fromEnd(5);
    await attack([`DELETE FROM ${table} WHERE "seq" = ${seq}`], {
      named: new RegExp(`Record ${seq + 1} \\(.+\\) comes where record ${seq} should be`),
    });
  });

  test('the first ones are removed', async () => {
    await attack([`DELETE FROM ${table} WHERE "seq" <= 2`], {
      named: /Record 3 \(.+\) comes where record 1 should be/,
    });
  });

  test('two are put in another order', async () => {
    const { seq } = await fromEnd(5);
    const swap = [seq, -1, seq + 1, seq, -1, seq + 1] as const;
    await attack(
      [0, 2, 4].map((i) => `UPDATE ${table} SET "seq" = ${swap[i + 1]} WHERE "seq" = ${swap[i]}`),
      { named: new RegExp(`Record ${seq} \\(.+\\) is not what was sealed`) },
    );
  });

  test('one is changed and its hash computed anew', async () => {
    const original = await fromEnd(5);
    const { hash } = resealed(original, { subject: 'eve' });
    await attack([`UPDATE ${table} SET "subject" = 'eve', "hash" = '${hash}' WHERE "seq" = ${original.seq}`], {
      named: new RegExp(`Record ${original.seq + 1} \\(.+\\) does not follow record ${original.seq}`),
    });
  });

  test('one is forged at the end, without the hash of the one before', async () => {
    const last = await fromEnd(0);
    const insert = `INSERT INTO ${table} ("id", "time", "type", "outcome", "seq", "previousHash", "hash")
      SELECT 'forged', "time", 'tool.called', "outcome", ${last.seq + 1}, 'x', 'y' FROM ${table} WHERE "seq" = ${last.seq}`;
    await attack([insert], { named: new RegExp(`Record ${last.seq + 1} \\(forged\\) is not what was sealed`) });
  });

  test('the last one is replaced by another with a good hash: the anchor tells', async () => {
    const last = await fromEnd(0);
    const { hash } = resealed(last, { subject: 'eve' });
    await attack([`UPDATE ${table} SET "subject" = 'eve', "hash" = '${hash}' WHERE "seq" = ${last.seq}`], {
      named: new RegExp(`Record ${last.seq} \\(.+\\) is not the one that was anchored on`),
      byChain: false,
    });
  });

  test('the end is cut off before the last anchor', async () => {
    const { seq } = await fromEnd(2);
    await attack([`DELETE FROM ${table} WHERE "seq" > ${seq}`], {
      named: new RegExp(`Records ${seq + 1} to ${seq + 2} are missing at the end: record ${seq + 2} was anchored on`),
      byChain: false,
    });
  });
});

describe('SP-37: an export is verified offline, on another machine', () => {
  let exported: string;
  let lines: string[];
  let key: string;

  beforeAll(async () => {
    await server.audit.anchor();
    await record(5);
    exported = join(folder, 'export.jsonl');
    const { code, out } = await admin.run(['audit', 'export', '--format', 'jsonl']);
    expect(code).toBe(0);
    lines = out.trim().split('\n');
    key = (await server.database.prisma.signingKey.findFirstOrThrow({ orderBy: { sequence: 'asc' } })).id;
  });

  const offline = (content: string[], ...args: string[]) => {
    writeFileSync(exported, `${content.join('\n')}\n`);
    return elsewhere.run(['audit', 'verify', '--file', exported, ...args]);
  };

  test('the whole of it is good, by its own anchor and by those before', async () => {
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ anchor: expect.stringMatching(/^ey/) });
    const end = await offline(lines, '--anchor', anchors, '--trusted-key', key);
    expect(end).toMatchObject({ code: 0, err: '' });
    expect(end.out).toMatch(new RegExp(`signed by +${key}\n`));
    const unsure = await offline(lines);
    expect(unsure).toMatchObject({ code: 0, err: expect.stringContaining('--trusted-key') });
    expect(unsure.out).toContain(key);
  });

  test('the part behind the last anchor is printed', async () => {
    const json = await offline(lines.slice(0, -1), '--anchor', anchors, '--json');
    expect(JSON.parse(json.out)).toMatchObject({ intact: true, unanchored: 5 });
    expect(JSON.parse(json.out).unanchoredTail).toHaveLength(5);
    const words = await offline(lines.slice(0, -1), '--anchor', anchors);
    expect(words.out.match(/not anchored yet: \d+ .* tool\.called +ada/g)).toHaveLength(5);
  });

  test('a record that is changed, removed, put elsewhere or added to, and an end that is cut off, are found', async () => {
    const at = lines.length - 4;
    const without = lines.filter((_, i) => i !== at);
    const swapped = lines.with(at, lines[at + 1] ?? '').with(at + 1, lines[at] ?? '');
    const twice = lines.toSpliced(at, 0, lines[at - 1] ?? '');
    const changed = lines.with(at, (lines[at] ?? '').replace('"ada"', '"eve"'));
    const added = lines.with(at, (lines[at] ?? '').replace('{', '{"note":"checked",'));
    const cut = [...lines.slice(0, -3), lines.at(-1) ?? ''];
    for (const [content, problem] of [
      [without, /comes where record/],
      [swapped, /comes where record/],
      [twice, /comes again where/],
      [changed, /is not what was sealed/],
      [added, /is not what was sealed/],
      [cut, /missing at the end/],
    ] as const) {
      expect(await offline(content)).toMatchObject({ code: 1, err: expect.stringMatching(problem) });
    }
  });

  test('an anchor with a bad signature, or of a key that is not the server’s, is no anchor', async () => {
    const last = JSON.parse(lines.at(-2) ?? '');
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(jwk);
    const forged = (header: object) =>
      new SignJWT({ seq: last.seq, hash: last.hash })
        .setProtectedHeader({ alg: 'ES256', typ: 'portcullis-audit+jwt', kid, jwk, ...header })
        .setIssuer(server.issuer)
        .setIssuedAt()
        .sign(privateKey);
    const withAnchor = async (anchor: string, ...args: string[]) =>
      offline([...lines.slice(0, -1), JSON.stringify({ anchor })], ...args);
    expect((await withAnchor(await forged({}))).code).toBe(0);
    expect(await withAnchor(await forged({}), '--trusted-key', key)).toMatchObject({
      code: 1,
      err: expect.stringContaining('a key that is not one of the server'),
    });
    for (const anchor of [await forged({ kid: key }), await forged({ typ: 'at+jwt' }), 'ey.ey.ey', 'x']) {
      expect(await withAnchor(anchor, '--trusted-key', key)).toMatchObject({ code: 1 });
      expect(await withAnchor(anchor)).toMatchObject({ code: 1, err: expect.stringContaining('no good signature') });
    }
  });

  test('anchors are good after the key that signed them was replaced and retired', async () => {
    expect((await admin.run(['keys', 'rotate', '--force', '--yes'])).code).toBe(0);
    expect((await admin.run(['keys', 'retire', key, '--yes'])).code).toBe(0);
    admin.signIn(server.issuer, await adminTokens(await targetOf(server)));
    await server.audit.seal();
    await server.audit.anchor();
    const end = await verify('--anchor', anchors);
    expect(end).toMatchObject({ code: 0, err: '' });
    expect(end.out).toContain(key);
  });

  test('as CEF each record is one line, whatever stands in it', async () => {
    const detail = { kind: 'a=b|c\\d\r\nCEF:0|' };
    await createAuditLog(server.database).record({
      time: server.now(),
      type: 'anomaly.raised',
      outcome: 'denied',
      detail,
      client: 'x=y\nz',
    });
    await server.audit.seal();
    const { out } = await admin.run([
      'audit',
      'export',
      '--format',
      'cef',
      '--after',
      String((await fromEnd(0)).seq - 1),
    ]);
    expect(out.trim().split('\n')).toHaveLength(1);
    expect(out).toContain('|anomaly.raised|anomaly raised|6|');
    expect(out).toContain('sourceServiceName=x\\=y z ');
  });
});

describe('SP-37: records that are older than they are kept are moved out', () => {
  let later: InProcess;
  beforeAll(async () => {
    later = await start(server.issuer);
  });
  afterAll(() => later?.close());

  test('the chain goes on behind them, and is verified with the file or without it', async () => {
    const before = await sealed();
    expect(await later.audit.moveOut()).toBe(0);
    later.pass(31.5 * 24 * 3600);
    await record(2, later.now());
    await server.audit.anchor();
    expect(await later.audit.moveOut()).toBe(before.length);
    expect(await later.audit.moveOut()).toBe(0);
    await server.audit.seal();
    const segment = join(folder, 'audit-segments', `1-${before.length}.jsonl`);
    const alone = await verify('--anchor', anchors);
    expect(alone).toMatchObject({ code: 0, err: '' });
    expect(alone.out).toMatch(new RegExp(`moved out +1 to ${before.length}, not checked`));
    const whole = await verify('--anchor', anchors, '--segment', segment, '--json');
    expect(whole).toMatchObject({ code: 0 });
    expect(JSON.parse(whole.out)).toMatchObject({ intact: true, movedOutUpTo: 0 });
    expect(JSON.parse(whole.out).records).toBeGreaterThan(before.length + 2);

    const lines = readFileSync(segment, 'utf8').trim().split('\n');
    const tampered = join(folder, 'tampered.jsonl');
    writeFileSync(tampered, `${lines.with(1, (lines[1] ?? '').replace('success', 'denied')).join('\n')}\n`);
    expect(await verify('--segment', tampered)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/Record 2 \(.+\) is not what was sealed/),
    });
    writeFileSync(tampered, `${lines.slice(0, -2).join('\n')}\n`);
    expect((await verify('--segment', tampered)).code).toBe(1);
  });
});

describe('a file with nothing in it to verify is not found good (SP-37)', () => {
  test.each([
    ['another file than an export', 'root:x:0:0:root:/root:/bin/bash\n'],
    ['an empty file', ''],
  ])('%s', async (_what, content) => {
    const file = join(folder, 'nothing.jsonl');
    writeFileSync(file, content);
    for (const option of ['--file', '--segment', '--anchor']) {
      const answer = await (option === '--file' ? elsewhere : admin).run(['audit', 'verify', option, file]);
      expect([option, answer]).toEqual([option, { code: 1, out: '', err: expect.stringContaining(file) }]);
    }
  });

  test('a line among the records, or in front of them, that is none', async () => {
    const file = join(folder, 'spoilt.jsonl');
    const { out } = await admin.run(['audit', 'export']);
    writeFileSync(file, `# nothing\n${out}`);
    expect(await elsewhere.run(['audit', 'verify', '--file', file])).toMatchObject({
      code: 1,
      err: expect.stringContaining('has a line that is no record'),
    });
  });
});

// The last one, as it leaves a trail that is not good.
test('SP-38: a server that finds its last anchored record gone raises an anomaly, and goes on', async () => {
  const { seq } = await fromEnd(2);
  await asOwner(`DELETE FROM "AuditEvent" WHERE "seq" > ${seq}`);
  await record(4);
  await server.audit.anchor();
  const { out } = await admin.run(['audit', 'search', '--type', 'anomaly.raised', '--limit', '1', '--json']);
  expect(JSON.parse(out).items).toMatchObject([{ outcome: 'error', detail: { kind: 'audit_trail_rewritten' } }]);
  expect(await server.metrics()).toContain('portcullis_anomalies_total{kind="audit_trail_rewritten"} 1');
  expect((await verify('--anchor', anchors)).code).toBe(1);
});
