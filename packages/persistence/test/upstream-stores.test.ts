import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { createEnvelope } from '../src/envelope.ts';
import { createMasterKey } from '../src/master-key.ts';
import { resealUnderMasterKey } from '../src/reseal.ts';
import { createUpstreamConnectionStore } from '../src/upstream-connection-store.ts';
import { createUpstreamFlowStore } from '../src/upstream-flow-store.ts';
import { atOnce, fulfilled, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const later = new Date('2026-11-20T11:00:00Z');
const [key, next] = [createMasterKey(), createMasterKey()];
const tokens = { accessToken: 'an access token', refreshToken: 'a refresh token', accessExpiresAt: later };

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

const vault = (db = database.db, envelope = createEnvelope(key)) => createUpstreamConnectionStore(db, envelope);

let grants = 0;
/** A grant whose user has agreed to `scopes` at the upstream. */
async function agreed(userId: string, scopes: readonly string[]): Promise<string> {
  const grantId = `grant-${++grants}`;
  const columns = { userId, clientId: 'client', detail: '{}', issuedAt: now, expiresAt: later };
  await database.db.prisma.grant.create({ data: { id: grantId, ...columns } });
  await vault().agree({ grantId, upstream: 'github', scopes });
  return grantId;
}

async function connected(userId: string, scopes: readonly string[] = ['repo']) {
  const grantId = await agreed(userId, scopes);
  const account = { userId, upstream: 'github', subject: 'octocat', scopes };
  expect(await vault().connect({ account, label: 'Octo', tokens, grantId, now })).toBe(true);
  const found = await vault().agreement(grantId);
  return { grantId, connection: found?.connection };
}

describe('the vault', () => {
  test('PX-2 knows a connection by its whole key: the order of scopes makes no other one, anything else does', async () => {
    const first = await connected('user-1', ['gist', 'repo']);
    const same = await connected('user-1', ['repo', 'gist']);
    const fewer = await connected('user-1', ['repo']);
    expect(same.connection?.id).toBe(first.connection?.id);
    expect(fewer.connection?.id).not.toBe(first.connection?.id);
    expect(await vault().grantsOf(first.connection?.id ?? '')).toHaveLength(2);
  });

  test('a grant is never linked to a connection of another user, or without an agreement', async () => {
    const { connection } = await connected('user-2');
    const foreign = await agreed('user-3', ['repo']);
    const connectionId = connection?.id ?? '';
    expect(await vault().use({ grantId: foreign, connectionId, userId: 'user-3' })).toBe(false);
    expect(await vault().use({ grantId: foreign, connectionId, userId: 'user-2' })).toBe(false);
    const account = { userId: 'user-2', upstream: 'gitlab', subject: 'octocat', scopes: ['repo'] };
    expect(await vault().connect({ account, label: undefined, tokens, grantId: foreign, now })).toBe(false);
  });

  test('a connection is unused once its last grant is gone or over, and only then forgotten', async () => {
    const { grantId, connection } = await connected('user-4');
    const id = connection?.id ?? '';
    const unused = async (at: Date) => (await vault().unused({ now: at, limit: 100 })).some((one) => one.id === id);
    expect(await unused(now)).toBe(false);
    expect(await vault().removeUnused({ id, now })).toBe(false);
    expect(await unused(later)).toBe(true);
    await database.db.prisma.grant.delete({ where: { id: grantId } });
    expect(await vault().agreement(grantId)).toBeUndefined();
    expect(await unused(now)).toBe(true);
    expect(await vault().removeUnused({ id, now })).toBe(true);
    expect(await vault().tokens(id)).toBeUndefined();
  });

  test('what is retired serves no grant any more, rests for the time named, and lives again when it is connected', async () => {
    const { grantId, connection } = await connected('user-8');
    const id = connection?.id ?? '';
    const until = (endedAt: Date) => new Date(endedAt.getTime() + 2000);
    const retire = (at: Date) => vault().retire({ id, now: at, until });
    const waits = async (at: Date) =>
      (await vault().unused({ now: at, limit: 1000 })).some((one) => one.id === connection?.id);
    expect(await retire(now)).toBeUndefined();
    await database.db.prisma.grant.delete({ where: { id: grantId } });
    expect(await waits(now)).toBe(true);
    expect(await retire(now)).toMatchObject({ connection: { id }, tokens, endedAt: now });
    expect(await retire(now)).toBeUndefined();
    expect(await waits(now)).toBe(false);
    const next = await agreed('user-8', ['repo']);
    expect(await vault().use({ grantId: next, connectionId: id, userId: 'user-8' })).toBe(false);
    const again = until(now);
    expect(await waits(again)).toBe(true);
    expect(await retire(again)).toMatchObject({ endedAt: now });
    await connected('user-8');
    expect(await vault().use({ grantId: next, connectionId: id, userId: 'user-8' })).toBe(true);
    expect(await retire(later)).toBeDefined();
  });

  test('of revoking a connection and letting a grant use it at once, one happens', async () => {
    const both = [database.db, await database.another()];
    await warmUp(...both);
    for (let round = 0; round < rounds(20); round++) {
      const userId = `user-9-${round}`;
      const { grantId, connection } = await connected(userId);
      await database.db.prisma.grant.delete({ where: { id: grantId } });
      const next = await agreed(userId, ['repo']);
      const id = connection?.id ?? '';
      const results = await atOnce<unknown>(8, (index) =>
        (index + round) % 2 === 0
          ? vault(both[0]).use({ grantId: next, connectionId: id, userId })
          : vault(both[1]).retire({ id, now, until: () => later }),
      );
      const done = results.map((one) => one.status === 'fulfilled' && Boolean(one.value));
      const [used, retired] = [0, 1].map((side) => done.some((did, index) => did && (index + round) % 2 === side));
      expect([used, retired]).toContain(true);
      expect(used && retired).toBe(false);
    }
  });

  test('a refresh whose lease is over writes nothing over what came meanwhile; what is over is not leased', async () => {
    const { grantId, connection } = await connected('user-7');
    if (!connection) throw new Error('not connected');
    const { id } = connection;
    const [first, second] = [new Date(now.getTime() + 1000), new Date(now.getTime() + 9000)];
    expect(await vault().lease({ id, now, until: first })).toBe(true);
    expect(await vault().lease({ id, now: first, until: second })).toBe(true);
    const late = { ...tokens, accessToken: 'too late' };
    await vault().saveRefreshed({ connection, tokens: late, leased: first, now: first });
    await vault().release({ id, leased: first, ended: first });
    expect(await vault().tokens(id)).toEqual(tokens);
    expect((await vault().agreement(grantId))?.connection).toBeDefined();
    expect(await vault().isLeased({ id, now: first })).toBe(true);
    await vault().release({ id, leased: second, ended: first });
    expect((await vault().agreement(grantId))?.connection).toBeUndefined();
    expect(await vault().lease({ id, now: later, until: new Date(later.getTime() + 1000) })).toBe(false);
  });

  test('of eight leases at once over two connections one is given', async () => {
    const { connection } = await connected('user-5');
    const both = [database.db, await database.another()];
    await warmUp(...both);
    for (let round = 0; round < rounds(20); round++) {
      const at = new Date(now.getTime() + round * 1000);
      const until = new Date(at.getTime() + 500);
      const results = await atOnce(8, (index) =>
        vault(both[index % 2]).lease({ id: connection?.id ?? '', now: at, until }),
      );
      expect(fulfilled(results)).toBe(8);
      expect(results.filter((one) => one.status === 'fulfilled' && one.value)).toHaveLength(1);
    }
  });
});

test('an answer is taken once of eight at once, from its own browser and for its own upstream', async () => {
  const both = [database.db, await database.another()];
  for (let round = 0; round < rounds(20); round++) {
    const state = `state-${round}`;
    const flow = { state, browserKey: 'mine', interaction: state, upstream: 'github', content: '{}', now };
    await createUpstreamFlowStore(database.db, createEnvelope(key)).begin({ ...flow, ttlSeconds: 600 });
    const answer = (db = database.db, change: object = {}) =>
      createUpstreamFlowStore(db, createEnvelope(key)).answer({ ...flow, answered: () => '{"a":1}', ...change });
    expect(await answer(undefined, { browserKey: 'other' })).toBeUndefined();
    expect(await answer(undefined, { upstream: 'gitlab' })).toBeUndefined();
    expect(await answer(undefined, { now: new Date(now.getTime() + 600_001) })).toBeUndefined();
    const results = await atOnce(8, (index) => answer(both[index % 2]));
    expect(results.filter((one) => one.status === 'fulfilled' && one.value)).toHaveLength(1);
  }
});

test('the master key changes without a gap for what is in the vault and on its way', async () => {
  const { connection } = await connected('user-6');
  const id = connection?.id ?? '';
  const flow = { state: 'under way', browserKey: 'mine', interaction: 'x', upstream: 'github', content: '{}', now };
  await createUpstreamFlowStore(database.db, createEnvelope(key)).begin({ ...flow, ttlSeconds: 600 });
  const duringChange = createEnvelope(next, key);
  expect(await vault(database.db, duringChange).tokens(id)).toEqual(tokens);
  await resealUnderMasterKey(database.db, { current: next, previous: key });
  expect(await vault(database.db, duringChange).tokens(id)).toEqual(tokens);
  expect(await vault(database.db, createEnvelope(next)).tokens(id)).toEqual(tokens);
  await expect(vault().tokens(id)).rejects.toThrow();
  const answered = await createUpstreamFlowStore(database.db, createEnvelope(next)).answer({
    ...flow,
    answered: (content) => content,
  });
  expect(answered?.content).toBe('{}');
});
