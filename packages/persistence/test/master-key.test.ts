import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { StartupError } from '@portcullis/platform';
import { rounds } from '@portcullis/test-database';
import { errors } from 'oidc-provider';
import { confirmationPlace, createConfirmationStore } from '../src/confirmation-store.ts';
import type { Database } from '../src/database.ts';
import { dumpTables } from '../src/dump.ts';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { createEnvelope, deriveKey, type Envelope, sealedPrefix, UnknownMasterKey } from '../src/envelope.ts';
import { bindMasterKey, createMasterKey, formatMasterKey, masterKeyState, parseMasterKey } from '../src/master-key.ts';
import { resealUnderMasterKey } from '../src/reseal.ts';
import { createSigningKeyStore } from '../src/signing-key-store.ts';
import { hashToken } from '../src/token-hash.ts';
import { atOnce, fulfilled, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('a master key survives its text, and no other text is one', () => {
  const key = createMasterKey();
  expect(parseMasterKey(formatMasterKey(key))).toStrictEqual(key);
  for (const text of [
    '',
    'short',
    `${formatMasterKey(key)}A`,
    formatMasterKey(key).slice(1),
    ` ${formatMasterKey(key)}`,
  ]) {
    expect(parseMasterKey(text)).toBeUndefined();
  }
});

test('a database takes the key it was set up with and no other', async () => {
  const key = createMasterKey();
  expect(await masterKeyState(database.db)).toBe('empty');
  await bindMasterKey(database.db, { current: key }, now);
  expect(await masterKeyState(database.db)).toBe('bound');
  await bindMasterKey(database.db, { current: key }, now);
  await expect(bindMasterKey(database.db, { current: createMasterKey() }, now)).rejects.toThrow(StartupError);
});

test('of eight first starts at once with different keys one ties the database', async () => {
  for (let round = 0; round < rounds(20); round += 1) {
    const fresh = await openTestDatabase();
    const both = [fresh.db, await fresh.another()];
    await warmUp(...both);
    const results = await atOnce(8, async (index) =>
      bindMasterKey(both[index % 2] ?? fresh.db, { current: createMasterKey() }, now),
    );
    expect(fulfilled(results)).toBe(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StartupError);
    await fresh.drop();
  }
});

test('keys for different purposes differ', () => {
  const key = createMasterKey();
  expect(deriveKey(key, 'cookies')).toHaveLength(32);
  expect(deriveKey(key, 'cookies')).toStrictEqual(deriveKey(key, 'cookies'));
  expect(deriveKey(key, 'cookies')).not.toStrictEqual(deriveKey(key, 'other'));
});

test('a sealed value opens with its key and in its place alone, unchanged', () => {
  const envelope = createEnvelope(createMasterKey());
  const sealed = envelope.seal('grüße', 'place/1');
  expect(envelope.open(sealed, 'place/1').toString()).toBe('grüße');
  expect(envelope.seal('grüße', 'place/1')).not.toBe(sealed);
  expect(() => envelope.open(sealed, 'place/2')).toThrow();
  expect(() => createEnvelope(createMasterKey()).open(sealed, 'place/1')).toThrow('another master key');
  const parts = sealed.split('.');
  const bytes = Buffer.from(parts[2] ?? '', 'base64url');
  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes);
    changed[index] = (changed[index] ?? 0) ^ 1;
    expect(() => envelope.open(`${parts[0]}.${parts[1]}.${changed.toString('base64url')}`, 'place/1')).toThrow();
  }
  for (const broken of [
    '',
    'v1',
    `v2.${parts[1]}.${parts[2]}`,
    `v1.${parts[1]}.AAAA`,
    `v1.${parts[1]}.${bytes.subarray(0, -1).toString('base64url')}`,
  ]) {
    expect(() => envelope.open(broken, 'place/1')).toThrow();
  }
});

describe('a new master key', () => {
  const [first, second, stranger] = [createMasterKey(), createMasterKey(), createMasterKey()];
  let db: Database;
  let fresh: OpenTestDatabase;
  beforeEach(async () => {
    fresh = await openTestDatabase();
    db = fresh.db;
    await bindMasterKey(db, { current: first }, now);
  });
  afterEach(() => fresh.drop());

  const engine = (envelope: Envelope) => createEngineAdapter(db, { clock: () => now, envelope, errors });
  const keyOf = (kid: string) => ({ kid, alg: 'ES256', kty: 'EC', d: `private ${kid}` });

  /** Sessions and keys under one master key. */
  async function fill(master: Buffer, sessions: number): Promise<void> {
    const envelope = createEnvelope(master);
    const session = engine(envelope)('Session');
    for (let i = 0; i < sessions; i += 1)
      await session.upsert(`session-${i}`, { uid: `uid-${i}`, accountId: `user-${i}` }, 3600);
    const question = {
      userId: 'ada',
      clientId: 'app',
      grantId: 'grant',
      resource: 'https://desk.example',
      tool: 'export',
    };
    const sealedCall = envelope.seal('a call', confirmationPlace(hashToken('handle')));
    const expiresAt = new Date(now.getTime() + 600_000);
    const asked = { ...question, handle: 'handle', nonce: 'nonce', callHash: 'call', sealedCall, now, expiresAt };
    await createConfirmationStore(db).open(asked);
    const times = { activatesAt: now, overlapSeconds: 10, now };
    await createSigningKeyStore(db, envelope).add({ jwk: keyOf('first'), sequence: 1, ...times });
  }

  test('SP-4: everything is encrypted anew, can be read, and the previous key is no longer needed', async () => {
    await fill(first, 201);
    expect(await dumpTables(db)).toContain(sealedPrefix(first));
    await bindMasterKey(db, { current: second, previous: first }, now);
    expect(await resealUnderMasterKey(db, { current: second, previous: first })).toBe(204);
    expect(await resealUnderMasterKey(db, { current: second, previous: first })).toBe(0);
    expect(await dumpTables(db)).not.toContain(sealedPrefix(first));
    await bindMasterKey(db, { current: second }, now);
    await expect(bindMasterKey(db, { current: first }, now)).rejects.toThrow(StartupError);
    const envelope = createEnvelope(second);
    expect(await engine(envelope)('Session').find('session-200')).toMatchObject({ accountId: 'user-200' });
    expect((await createSigningKeyStore(db, envelope).load()).keys).toMatchObject([{ jwk: keyOf('first') }]);
    const { id, sealedCall } = (await createConfirmationStore(db).find({ handle: 'handle', now })) ?? {};
    expect(envelope.open(sealedCall ?? '', confirmationPlace(id ?? '')).toString()).toBe('a call');
  });

  test('until it is done both keys are needed, and neither a stranger nor half of them will do', async () => {
    await fill(first, 3);
    for (const keys of [{ current: second }, { current: second, previous: stranger }, { current: stranger }]) {
      await expect(bindMasterKey(db, keys, now)).rejects.toThrow(/PORTCULLIS_MASTER_KEY_PREVIOUS/);
    }
    // As a process leaves it that was killed before the end.
    const { sealedKey } = await db.prisma.signingKey.findFirstOrThrow();
    const both = createEnvelope(second, first);
    const place = 'SigningKey/first';
    await db.prisma.signingKey.updateMany({
      data: { sealedKey: both.seal(both.open(sealedKey ?? '', place), place) },
    });
    await expect(bindMasterKey(db, { current: second }, now)).rejects.toThrow(StartupError);
    await bindMasterKey(db, { current: second, previous: first }, now);
    expect((await createSigningKeyStore(db, both).load()).keys).toHaveLength(1);
    expect(await engine(both)('Session').find('session-1')).toMatchObject({ accountId: 'user-1' });
    expect(await resealUnderMasterKey(db, { current: second, previous: first })).toBe(5);
  });

  test('what another server changes between reading and writing is not overwritten', async () => {
    await fill(first, 20);
    const session = engine(createEnvelope(second, first))('Session');
    let changes = 0;
    const interrupted = db.prisma.$extends({
      query: {
        engineRecord: {
          async findMany({ args, query }) {
            const rows = await query(args);
            if (changes < 10) await session.upsert(`session-${changes++}`, { uid: 'u', accountId: 'changed' }, 3600);
            return rows;
          },
        },
      },
    });
    const between = { ...db, prisma: interrupted as unknown as Database['prisma'] };
    await resealUnderMasterKey(between, { current: second, previous: first });
    expect(changes).toBeGreaterThan(0);
    for (let i = 0; i < 20; i += 1) {
      const accountId = i < changes ? 'changed' : `user-${i}`;
      expect(await session.find(`session-${i}`)).toMatchObject({ accountId });
    }
    expect(await dumpTables(db)).not.toContain(sealedPrefix(first));
  });

  test('a session that was left under a key that is gone is over, and a signing key is not passed over', async () => {
    await fill(first, 1);
    const without = createEnvelope(second);
    expect(await engine(without)('Session').find('session-0')).toBeUndefined();
    await expect(createSigningKeyStore(db, without).load()).rejects.toThrow(UnknownMasterKey);
  });
});
