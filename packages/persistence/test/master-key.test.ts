import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { StartupError } from '@portcullis/platform';
import { rounds } from '@portcullis/test-database';
import { createEnvelope, deriveKey } from '../src/envelope.ts';
import { bindMasterKey, createMasterKey, formatMasterKey, masterKeyState, parseMasterKey } from '../src/master-key.ts';
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
  await bindMasterKey(database.db, key, now);
  expect(await masterKeyState(database.db)).toBe('bound');
  await bindMasterKey(database.db, key, now);
  await expect(bindMasterKey(database.db, createMasterKey(), now)).rejects.toThrow(StartupError);
});

test('of eight first starts at once with different keys one ties the database', async () => {
  for (let round = 0; round < rounds(20); round += 1) {
    const fresh = await openTestDatabase();
    const both = [fresh.db, await fresh.another()];
    await warmUp(...both);
    const results = await atOnce(8, async (index) =>
      bindMasterKey(both[index % 2] ?? fresh.db, createMasterKey(), now),
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
