import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type AuditEvent, CHAIN_START, chainBreak, recordHash, type SealedAuditRecord } from '@portcullis/platform';
import { rounds } from '@portcullis/test-database';
import { type AuditChain, createAuditChain } from '../src/audit-chain.ts';
import { createAuditLog } from '../src/audit-log.ts';
import { inOneCommit, inTransaction } from '../src/transaction.ts';
import { atOnce, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const moment = new Date('2026-11-20T10:00:00.123Z');
const event: AuditEvent = {
  time: moment,
  type: 'tool.called',
  outcome: 'success',
  subject: 'ada',
  client: 'desk',
  tool: 'search_tickets',
  arguments: { b: 'ü\u{1f511}', a: [1, 2.5, null] },
  durationMs: 12,
  detail: { 10: 'ten', 9: 'nine' },
};

let opened: OpenTestDatabase;
let chain: AuditChain;

beforeEach(async () => {
  opened = await openTestDatabase();
  chain = createAuditChain(opened.db);
});

afterEach(() => opened.drop());

async function sealAll(each: AuditChain = chain): Promise<void> {
  while ((await each.unsealed()) > 0) await each.seal();
}

async function record(count: number, change: Partial<AuditEvent> = {}): Promise<void> {
  const log = createAuditLog(opened.db);
  for (let i = 0; i < count; i++) await log.record({ ...event, time: new Date(moment.getTime() + i), ...change });
}

/** The first break of all that is sealed. */
async function firstBreak(): Promise<{ seq: number; problem: string } | undefined> {
  let before = CHAIN_START;
  for (const each of await chain.list({ after: 0, limit: 10_000 })) {
    const problem = chainBreak(before, each);
    if (problem) return { seq: each.seq, problem };
    before = each;
  }
  return undefined;
}

describe('the audit trail is hash-chained (SP-37)', () => {
  test('records get their places from 1 on, each with the hash of the one before', async () => {
    await record(3);
    expect(await chain.unsealed()).toBe(3);
    expect(await chain.seal()).toBe(3);
    const sealed = await chain.list({ after: 0, limit: 10 });
    expect(sealed.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(sealed[0]).toEqual({
      ...event,
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      time: '2026-11-20T10:00:00.123Z',
      seq: 1,
      previousHash: '0'.repeat(64),
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(sealed[1]?.previousHash).toBe(sealed[0]?.hash);
    expect(await chain.head()).toEqual({ seq: 3, hash: sealed[2]?.hash });
    expect(await firstBreak()).toBeUndefined();
    expect(await chain.seal()).toBe(0);
  });

  test('the hash is SHA-256 over canonical JSON (RFC 8785), as anybody can compute it', () => {
    const written: SealedAuditRecord = {
      ...{ seq: 7, previousHash: 'a'.repeat(64), hash: '', id: 'i', time: '2026-11-20T10:00:00.000Z' },
      ...{ type: 'token.issued', outcome: 'success', detail: { b: 'é', a: 1 }, client: undefined },
    };
    // printf '{"detail":{"a":1,"b":"é"},"id":"i",…,"type":"token.issued"}' | sha256sum
    expect(recordHash(written)).toBe('c89c15e6ac69459a01cc032dc97ffb084c83e454f5e9fb4fc65f1e83c46b21af');
  });

  test('a record that an attacker wrote the text of, or put there by hand, does not hold up the chain', async () => {
    await record(1, { client: '\ud800\0', detail: { '\udc00': '\ud83d' } });
    const byHand = { time: moment, type: 'x', outcome: 'denied' } as const;
    await opened.db.prisma.auditEvent.createMany({
      data: [
        { ...byHand, id: 'e'.repeat(32), arguments: '{"a":[1e999]}', detail: '{"a":-1e999}' },
        { ...byHand, id: 'f'.repeat(32), arguments: '{', detail: '"\\ud800"' },
      ],
    });
    await sealAll();
    expect(await firstBreak()).toBeUndefined();
    const [, infinite, ...others] = await createAuditLog(opened.db).list();
    expect(infinite).toMatchObject({
      arguments: { unreadable: '{"a":[1e999]}' },
      detail: { unreadable: '{"a":-1e999}' },
    });
    expect(others).toHaveLength(1);
  });

  test('eight at once on two connections, beside two sealers and transactions that commit late, make one chain', async () => {
    const other = await opened.another();
    await warmUp(opened.db, other);
    for (let round = 0; round < rounds(20); round++) {
      const before = await chain.head();
      const sealers = [chain, createAuditChain(other), chain, createAuditChain(other)];
      const results = await atOnce(12, async (index) => {
        const database = index % 2 === 0 ? opened.db : other;
        if (index >= 8) {
          for (let i = 0; i < 5; i++) await sealers[index - 8]?.seal();
          return;
        }
        // Read first, so that the record commits after others that were made later.
        await inOneCommit(database, async (within) => {
          await within.prisma.auditEvent.findFirst();
          await createAuditLog(within).record({ ...event, subject: `${round}-${index}` });
        });
      });
      expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
      await sealAll();
      expect(await chain.head()).toMatchObject({ seq: before.seq + 8 });
    }
    expect(await firstBreak()).toBeUndefined();
  });

  test('a sealer that is killed leaves a chain without a gap, and the next one goes on', async () => {
    const script = fileURLToPath(new URL('./support/sealing.ts', import.meta.url));
    for (let round = 0; round < rounds(6); round++) {
      const sealer = spawn(process.execPath, ['--no-warnings', script, opened.url], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(sealer.stdout, 'data');
      const before = await chain.head();
      while ((await chain.head()).seq < before.seq + 20) await opened.db.ready();
      sealer.kill('SIGKILL');
      await once(sealer, 'exit');
      expect(await firstBreak()).toBeUndefined();
      await sealAll();
      expect(await firstBreak()).toBeUndefined();
    }
  });

  test('the record of a refusal survives the rollback of what was refused', async () => {
    await expect(
      inTransaction(opened.db, async (within) => {
        await createAuditLog(within).record(event);
        throw new Error('refused');
      }),
    ).rejects.toThrow('refused');
    await record(1, { type: 'admin.refused', outcome: 'denied' });
    await sealAll();
    expect((await chain.list({ after: 0, limit: 10 })).map(({ type }) => type)).toEqual(['admin.refused']);
  });
});

describe('audit records cannot be changed by mistake (SP-37)', () => {
  test('a sealed or unsealed record is neither changed nor removed, and sealed once', async () => {
    await record(2);
    await sealAll();
    await record(1);
    const { auditEvent } = opened.db.prisma;
    await expect(auditEvent.updateMany({ data: { outcome: 'denied' } })).rejects.toThrow();
    await expect(auditEvent.updateMany({ where: { seq: null }, data: { subject: 'eve' } })).rejects.toThrow();
    await expect(auditEvent.updateMany({ where: { seq: 1n }, data: { seq: 9n } })).rejects.toThrow();
    await expect(auditEvent.updateMany({ where: { seq: 1n }, data: { hash: 'x' } })).rejects.toThrow();
    await expect(auditEvent.deleteMany({ where: { seq: 1n } })).rejects.toThrow();
    await expect(auditEvent.deleteMany({ where: { seq: null } })).rejects.toThrow();
    expect(await auditEvent.count()).toBe(3);
    await sealAll();
    expect(await firstBreak()).toBeUndefined();
  });

  test('what stands in a segment is removed, once, and the chain goes on behind it', async () => {
    await record(5);
    await sealAll();
    const [, , third] = await chain.list({ after: 0, limit: 10 });
    const segment = { firstSeq: 1, lastSeq: 3, lastHash: third?.hash ?? '', statement: 'signed', closedAt: moment };
    expect(await chain.lastBefore(new Date(moment.getTime() + 3))).toBe(3);
    const other = createAuditChain(await opened.another());
    const moves = await atOnce(8, (index) => (index % 2 === 0 ? chain : other).moveOut(segment));
    expect(moves.filter((move) => move.status === 'fulfilled' && move.value)).toHaveLength(1);
    expect((await chain.list({ after: 0, limit: 10 })).map(({ seq }) => seq)).toEqual([4, 5]);
    expect(await chain.lastSegment()).toEqual(segment);
    expect(await chain.moveOut({ ...segment, firstSeq: 5, lastSeq: 5 })).toBe(false);
    const rest = { ...segment, firstSeq: 4, lastSeq: 5, lastHash: (await chain.head()).hash };
    expect(await chain.moveOut(rest)).toBe(true);
    expect(await chain.head()).toEqual({ seq: 5, hash: rest.lastHash });
    await record(1);
    await sealAll();
    expect(await chain.list({ after: 0, limit: 10 })).toMatchObject([{ seq: 6, previousHash: rest.lastHash }]);
  });
});
