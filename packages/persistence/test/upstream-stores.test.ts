import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { createAuditLog } from '../src/audit-log.ts';
import { createEnvelope } from '../src/envelope.ts';
import { createMasterKey } from '../src/master-key.ts';
import { resealUnderMasterKey } from '../src/reseal.ts';
import { createUpstreamConnectionStore } from '../src/upstream-connection-store.ts';
import { createUpstreamFlowStore } from '../src/upstream-flow-store.ts';
import { createUpstreamRevocationStore } from '../src/upstream-revocation-store.ts';
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

const waiting = (db = database.db, envelope = createEnvelope(key)) => createUpstreamRevocationStore(db, envelope);

/** The tokens of a user that wait to be revoked. */
async function waitingOf(userId: string): Promise<(string | undefined)[]> {
  const rows = await database.db.prisma.upstreamRevocation.findMany({ where: { userId }, orderBy: { since: 'asc' } });
  const long = new Date('2030-01-01T00:00:00Z');
  const taken = await Promise.all(rows.map(({ id }) => waiting().take({ id, now: long, until: () => now })));
  return taken.map((one) => one?.tokens.refreshToken);
}

let grants = 0;
/** A grant whose user has agreed to `scopes` at the upstream. */
async function agreed(userId: string, scopes: readonly string[]): Promise<string> {
  const grantId = `grant-${++grants}`;
  const columns = { userId, clientId: 'client', detail: '{}', issuedAt: now, expiresAt: later };
  await database.db.prisma.grant.create({ data: { id: grantId, ...columns } });
  await vault().agree({ grantId, upstream: 'github', scopes });
  return grantId;
}

async function connected(
  userId: string,
  scopes: readonly string[] = ['repo'],
  o: { given?: typeof tokens; at?: Date } = {},
) {
  const { given = tokens, at = now } = o;
  const grantId = await agreed(userId, scopes);
  const account = { userId, upstream: 'github', subject: `octocat of ${userId}`, scopes };
  expect(await vault().connect({ account, label: 'Octo', tokens: given, grantId, now: at })).toBe(true);
  const connection = (await vault().agreement(grantId))?.connection;
  if (!connection) throw new Error('not connected');
  return { grantId, connection };
}

const named = (name: string) => ({ ...tokens, accessToken: `access ${name}`, refreshToken: `refresh ${name}` });

describe('the vault', () => {
  test('PX-2 knows a connection by its whole key: the order of scopes makes no other one, anything else does', async () => {
    const first = await connected('user-1', ['gist', 'repo']);
    const same = await connected('user-1', ['repo', 'gist']);
    const fewer = await connected('user-1', ['repo']);
    expect(same.connection.id).toBe(first.connection.id);
    expect(fewer.connection.id).not.toBe(first.connection.id);
    expect(await vault().grantsOf(first.connection.id)).toHaveLength(2);
  });

  test('a grant is never linked to a connection of another user, or without an agreement', async () => {
    const { connection } = await connected('user-2');
    const foreign = await agreed('user-3', ['repo']);
    const connectionId = connection.id;
    expect(await vault().use({ grantId: foreign, connectionId, userId: 'user-3' })).toBe(false);
    expect(await vault().use({ grantId: foreign, connectionId, userId: 'user-2' })).toBe(false);
    const account = { userId: 'user-2', upstream: 'gitlab', subject: 'octocat', scopes: ['repo'] };
    expect(await vault().connect({ account, label: undefined, tokens, grantId: foreign, now })).toBe(false);
  });

  test('an account is connected and recorded in one write, or neither (SP-37)', async () => {
    const grantId = await agreed('user-8', ['repo']);
    const account = { userId: 'user-8', upstream: 'github', subject: 'octocat of user-8', scopes: ['repo'] };
    const event = { type: 'upstream.connected', outcome: 'success', subject: 'user-8' } as const;
    const connecting = (time: Date) =>
      vault().connect({ account, label: undefined, tokens, grantId, event: { ...event, time }, now });
    // A time that no database takes stands for a record that cannot be written.
    await expect(connecting(new Date(Number.NaN))).rejects.toThrow();
    expect(await vault().list({ userId: 'user-8' })).toEqual([]);
    expect(await connecting(now)).toBe(true);
    expect(await createAuditLog(database.db).list({ subject: 'user-8', type: event.type })).toHaveLength(1);
  });

  test('a connection is unused once its last grant is gone or over, and only then forgotten', async () => {
    const { grantId, connection } = await connected('user-4');
    const { id } = connection;
    const unused = async (at: Date) => (await vault().unused({ now: at, limit: 1000 })).some((one) => one.id === id);
    expect(await unused(now)).toBe(false);
    expect(await vault().retire({ id, now })).toBeUndefined();
    expect(await unused(later)).toBe(true);
    await database.db.prisma.grant.delete({ where: { id: grantId } });
    expect(await vault().agreement(grantId)).toBeUndefined();
    expect(await unused(now)).toBe(true);
    expect(await vault().lease({ id, now, until: later })).toBe(true);
    expect(await vault().retire({ id, now })).toBeUndefined();
    await vault().release({ id, leased: later });
    expect(await vault().retire({ id, now })).toEqual(expect.any(String));
    expect(await vault().tokens(id)).toBeUndefined();
    expect(await waitingOf('user-4')).toEqual(['a refresh token']);
  });

  test('of revoking a connection and letting a grant use it at once, one happens', async () => {
    const both = [database.db, await database.another()];
    await warmUp(...both);
    for (let round = 0; round < rounds(20); round++) {
      const userId = `user-9-${round}`;
      const { grantId, connection } = await connected(userId);
      await database.db.prisma.grant.delete({ where: { id: grantId } });
      const next = await agreed(userId, ['repo']);
      const { id } = connection;
      const results = await atOnce<unknown>(8, (index) =>
        (index + round) % 2 === 0
          ? vault(both[0]).use({ grantId: next, connectionId: id, userId })
          : vault(both[1]).retire({ id, now }),
      );
      const done = results.map((one) => one.status === 'fulfilled' && Boolean(one.value));
      const [used, retired] = [0, 1].map((side) => done.some((did, index) => did && (index + round) % 2 === side));
      expect([used, retired]).toContain(true);
      expect(used && retired).toBe(false);
      expect(await waitingOf(userId)).toHaveLength(retired ? 1 : 0);
    }
  });

  test('what a refresh brought after the account was connected anew, or disconnected, waits to be revoked', async () => {
    const { grantId, connection } = await connected('user-11', ['repo'], { given: named('first') });
    const { id } = connection;
    const leased = new Date(now.getTime() + 1000);
    const save = (name: string, at: Date) =>
      vault().saveRefreshed({ connection, tokens: named(name), leased, now: at });
    // Somebody else has refreshed it under the next lease: what both got may end with either.
    expect(await save('late', now)).toBe(false);
    expect(await waitingOf('user-11')).toEqual([]);
    const again = new Date(now.getTime() + 10);
    const anew = await connected('user-11', ['repo'], { given: named('second'), at: again });
    expect(await save('late', new Date(now.getTime() + 20))).toBe(false);
    expect(await waitingOf('user-11')).toEqual(['refresh first', 'refresh late']);
    expect(await vault().tokens(id)).toEqual(named('second'));
    await database.db.prisma.grant.deleteMany({ where: { id: { in: [grantId, anew.grantId] } } });
    await vault().retire({ id, now: new Date(now.getTime() + 30) });
    expect(await save('latest', new Date(now.getTime() + 40))).toBe(false);
    expect((await waitingOf('user-11')).slice(2)).toEqual(['refresh second', 'refresh latest']);
  });

  test('a refresh whose lease is over writes nothing over what came meanwhile; what is over is not leased', async () => {
    const { grantId, connection } = await connected('user-7');
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
      const results = await atOnce(8, (index) => vault(both[index % 2]).lease({ id: connection.id, now: at, until }));
      expect(fulfilled(results)).toBe(8);
      expect(results.filter((one) => one.status === 'fulfilled' && one.value)).toHaveLength(1);
    }
  });
});

describe('tokens that wait to be revoked', () => {
  test('what a connection had before waits, unless it has a token of it still', async () => {
    await connected('user-12', ['repo'], { given: named('first') });
    await connected('user-12', ['repo'], { given: { ...named('first'), accessToken: 'another' } });
    expect(await waitingOf('user-12')).toEqual([]);
    await connected('user-12', ['repo'], { given: named('second') });
    expect(await waitingOf('user-12')).toEqual(['refresh first']);
  });

  test('what comes again waits no longer, so that it is not taken for another when it is refreshed', async () => {
    await connected('user-13', ['repo'], { given: named('first') });
    await connected('user-13', ['repo'], { given: named('second') });
    await connected('user-13', ['gist'], { given: named('first') });
    expect(await waitingOf('user-13')).toEqual([]);
  });

  test('tokens that were received are connected once, and not when somebody revokes them', async () => {
    const owner = { userId: 'user-14', upstream: 'github', subject: 'octocat of user-14' };
    const add = (since: Date) => waiting().add({ owner, tokens: named('new'), since });
    const connect = async (id: string) => {
      const account = { ...owner, scopes: ['repo'] };
      const grantId = await agreed('user-14', ['repo']);
      return vault().connect({ account, label: undefined, tokens: named('new'), grantId, waiting: id, now });
    };
    const id = await add(later);
    expect(await waiting().take({ id, now, until: () => later })).toBeUndefined();
    expect([await connect(id), await connect(id)]).toEqual([true, false]);
    const revoked = await add(now);
    expect(await waiting().forget(revoked)).toBe(true);
    expect(await connect(revoked)).toBe(false);
  });

  test('of eight who would revoke at once one does, and is told what is kept of the account', async () => {
    const both = [database.db, await database.another()];
    await warmUp(...both);
    const owner = { userId: 'user-15', upstream: 'github', subject: 'octocat of user-15' };
    const kept = async (name: string, of: { subject: string | undefined } = owner) => {
      const id = await waiting().add({ owner: { ...owner, ...of }, tokens: named(name), since: now });
      const results = await atOnce(8, (index) => waiting(both[index % 2]).take({ id, now, until: () => later }));
      const taken = results.flatMap((one) => (one.status === 'fulfilled' && one.value ? [one.value] : []));
      expect(taken).toHaveLength(1);
      expect(await waiting().take({ id, now, until: () => later })).toBeUndefined();
      return taken[0]?.kept;
    };
    expect(await kept('first')).toBe('none');
    const { connection } = await connected('user-15', ['repo'], { given: named('second') });
    expect([await kept('first'), await kept('second')]).toEqual(['others', 'these']);
    expect([await kept('first', { subject: 'another' }), await kept('first', { subject: undefined })]).toEqual([
      'none',
      'others',
    ]);
    await vault().lease({ id: connection.id, now, until: later });
    await vault().release({ id: connection.id, leased: later, ended: now });
    expect(await kept('second')).toBe('none');
    // What its user may still decide about is kept, too.
    const undecided = await waiting().add({ owner, tokens: named('third'), since: later });
    expect([await kept('first'), await kept('third')]).toEqual(['others', 'these']);
    await waiting().hasten({ id: undecided, now });
    expect(await kept('first')).toBe('none');
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
  const { id } = (await connected('user-6')).connection;
  const owner = { userId: 'user-6', upstream: 'github', subject: undefined };
  const left = await waiting().add({ owner, tokens, since: now });
  const flow = { state: 'under way', browserKey: 'mine', interaction: 'x', upstream: 'github', content: '{}', now };
  await createUpstreamFlowStore(database.db, createEnvelope(key)).begin({ ...flow, ttlSeconds: 600 });
  const duringChange = createEnvelope(next, key);
  expect(await vault(database.db, duringChange).tokens(id)).toEqual(tokens);
  await resealUnderMasterKey(database.db, { current: next, previous: key });
  expect(await vault(database.db, duringChange).tokens(id)).toEqual(tokens);
  expect(await vault(database.db, createEnvelope(next)).tokens(id)).toEqual(tokens);
  await expect(vault().tokens(id)).rejects.toThrow();
  const revoked = await waiting(database.db, createEnvelope(next)).take({ id: left, now, until: () => later });
  expect(revoked?.tokens.refreshToken).toBe('a refresh token');
  const answered = await createUpstreamFlowStore(database.db, createEnvelope(next)).answer({
    ...flow,
    answered: (content) => content,
  });
  expect(answered?.content).toBe('{}');
});
