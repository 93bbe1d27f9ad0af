import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { errors } from 'oidc-provider';
import { changePassword } from '../src/access.ts';
import { clean } from '../src/clean.ts';
import { createClientApprovalStore } from '../src/client-approval-store.ts';
import { createClientStore } from '../src/client-store.ts';
import type { Database } from '../src/database.ts';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { createEnvelope } from '../src/envelope.ts';
import { machineGrantId } from '../src/grant-ending.ts';
import { createGrantStore } from '../src/grant-store.ts';
import { createResourceStore } from '../src/resource-store.ts';
import { createRevocationLog, type Revocation, recordRevocations } from '../src/revocation-log.ts';
import { inTransaction } from '../src/transaction.ts';
import { createUserStore } from '../src/user-store.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const now = new Date('2026-11-21T10:00:00.400Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const DESK = 'https://desk.example/mcp';
const NOTES = 'https://notes.example/mcp';
const DAY_SECONDS = 24 * 3600;

let opened: OpenTestDatabase;
let database: Database;
beforeAll(async () => {
  opened = await openTestDatabase();
  database = opened.db;
});
afterAll(() => opened.drop());

let count = 0;
async function addGrant({
  userId = 'u',
  clientId = 'c',
  expiresAt = later(DAY_SECONDS),
  audiences = [DESK],
}): Promise<string> {
  count += 1;
  const id = `grant-${count}`;
  const resources = JSON.stringify(Object.fromEntries(audiences.map((audience) => [audience, 'a b'])));
  await database.prisma.grant.create({
    data: { id, userId, clientId, resources, detail: '{}', issuedAt: now, expiresAt },
  });
  return id;
}

async function known(resource = DESK, at = now): Promise<Revocation[]> {
  const rows = await createRevocationLog(database).list({ resource, limit: 100, now: at });
  return rows.map(({ grantId, resource, issuedUntil }) => ({ grantId, resource, issuedUntil }));
}

const all = (grantId: string, resource = DESK): Revocation => ({ grantId, resource, issuedUntil: undefined });
const grantIds = ({ revocations }: { revocations: Revocation[] }) => revocations.map(({ grantId }) => grantId);
const record = (within: Database, ...revocations: Revocation[]) => recordRevocations(within, { revocations, now });

describe('what ends access tokens is written for resource servers (SP-12):', () => {
  beforeEach(async () => {
    await database.prisma.revocation.deleteMany();
    await database.prisma.grant.deleteMany();
  });

  test('a revoked grant, for each resource that it names, to that resource alone', async () => {
    const grant = await addGrant({ audiences: [DESK, NOTES] });
    await createGrantStore(database).revoke({ id: grant, now });
    expect(await known(DESK)).toEqual([all(grant)]);
    expect(await known(NOTES)).toEqual([all(grant, NOTES)]);
    expect(await known('https://other.example/mcp')).toEqual([]);
  });

  test('a grant that the engine destroys: token revoked, reuse, a code used twice', async () => {
    const grant = await addGrant({});
    const options = { clock: () => now, envelope: createEnvelope(Buffer.alloc(32, 1)), errors };
    const grants = createEngineAdapter(database, options)('Grant');
    await Promise.all([grants.destroy(grant), grants.destroy(grant)]);
    expect(await known()).toEqual([all(grant)]);
  });

  test('a deleted client: its grants, and its tokens as a machine', async () => {
    const clients = createClientStore(database);
    const metadata = { client_id: 'deleted', redirect_uris: [] };
    await clients.register({ metadata, registration: 'manual', permissions: { allowedResources: [DESK] }, now });
    const grant = await addGrant({ clientId: 'deleted' });
    const other = await addGrant({ clientId: 'another' });
    await clients.delete({ id: 'deleted', now });
    expect(await known()).toEqual(expect.arrayContaining([all(grant), all(machineGrantId('deleted', DESK))]));
    expect(await known()).not.toContainEqual(expect.objectContaining({ grantId: other }));
  });

  test('a disabled client: what it has until then, and not what it gets once it is enabled again', async () => {
    const clients = createClientStore(database);
    const metadata = { client_id: 'disabled', redirect_uris: [] };
    await clients.register({ metadata, registration: 'manual', permissions: { allowedResources: [NOTES] }, now });
    const grant = await addGrant({ clientId: 'disabled' });
    await clients.setDisabled({ id: 'disabled', disabled: true, now });
    await clients.setDisabled({ id: 'disabled', disabled: false, now });
    expect(await known()).toEqual([{ ...all(grant), issuedUntil: later(10) }]);
    const machine = machineGrantId('disabled', NOTES);
    expect(await known(NOTES)).toEqual([{ ...all(machine, NOTES), issuedUntil: later(10) }]);
  });

  test('a client that changed itself, waits for review with its tokens, and is turned away', async () => {
    const clients = createClientStore(database);
    const metadata = { client_id: 'changed', redirect_uris: [] };
    await clients.register({ metadata, registration: 'dynamic', underReview: true, now });
    const grant = await addGrant({ clientId: 'changed' });
    expect(await clients.reject({ id: 'changed', now })).toBe(true);
    expect(await known()).toEqual([{ ...all(grant), issuedUntil: later(10) }]);
    expect(await clients.reject({ id: 'changed', now })).toBe(false);
    expect(await known()).toHaveLength(1);
  });

  test('a client with a metadata document that is turned away', async () => {
    const clientId = 'https://app.example/client.json';
    const grant = await addGrant({ clientId });
    const approvals = createClientApprovalStore(database);
    await approvals.decide({ clientId, approved: true, now });
    expect(await known()).toEqual([]);
    await approvals.decide({ clientId, approved: false, now });
    expect(await known()).toEqual([{ ...all(grant), issuedUntil: later(10) }]);
  });

  test('a disabled user, a role that was taken, and another password; none for a first password or a new role', async () => {
    const users = createUserStore(database);
    const created = await users.create({ email: 'who@example.org', roles: ['agent'], now });
    if (!created.ok) throw new Error('no user');
    const userId = created.user.id;
    const grant = await addGrant({ userId });
    const expired = await addGrant({ userId, expiresAt: now });

    await users.setPassword({ userId, passwordHash: 'first', now });
    await users.update({ userId, roles: ['agent', 'lead'], now });
    expect(await known()).toEqual([]);

    await users.update({ userId, roles: ['agent'], now });
    expect(await known()).toEqual([{ ...all(grant), issuedUntil: new Date('2026-11-21T10:00:01Z') }]);

    await users.setDisabled({ userId, disabled: true, now });
    expect(await known()).toContainEqual({ ...all(grant), issuedUntil: later(10) });
    expect(await known()).not.toContainEqual(expect.objectContaining({ grantId: expired }));

    await users.setDisabled({ userId, disabled: false, now });
    const proof = { presentHash: 'first' };
    await changePassword(database, { userId, passwordHash: 'second', proof, now, origin: {} });
    expect(await known()).toContainEqual(all(grant));
    expect(await database.prisma.grant.count({ where: { userId } })).toBe(0);
  });

  test('a removed resource: the grants for it, and what machines got for it until then', async () => {
    const resources = createResourceStore(database);
    const names = { identifier: NOTES, name: 'Notes', scopes: {}, defaultScopes: [], roles: {} };
    await inTransaction(database, (within) =>
      createResourceStore(within).add({ url: NOTES, ...names, createdAt: now }),
    );
    const metadata = { client_id: 'machine-of-notes', redirect_uris: [] };
    const permissions = { allowedResources: [NOTES, DESK] };
    await createClientStore(database).register({ metadata, registration: 'manual', permissions, now });
    const [grant, other] = [await addGrant({ audiences: [NOTES] }), await addGrant({ audiences: [DESK] })];
    await inTransaction(database, (within) => createResourceStore(within).remove({ url: NOTES, now }));
    const machine = machineGrantId('machine-of-notes', NOTES);
    expect(await known(NOTES)).toEqual(
      expect.arrayContaining([all(grant, NOTES), { ...all(machine, NOTES), issuedUntil: later(10) }]),
    );
    expect(await known(DESK)).toEqual([]);
    expect(await createGrantStore(database).find({ id: other, now })).toBeDefined();
    expect(await resources.list()).toEqual([]);
  });

  test('together with the change or not at all', async () => {
    const grant = await addGrant({});
    let hints = 0;
    const unsubscribe = database.revocationSignal.subscribe(() => {
      hints += 1;
    });
    const failed = inTransaction(database, async (within) => {
      await createGrantStore(within).revoke({ id: grant, now });
      throw new Error('the audit record could not be written');
    });
    await expect(failed).rejects.toThrow('audit record');
    expect(await known()).toEqual([]);
    expect(await createGrantStore(database).find({ id: grant, now })).toBeDefined();
    await createGrantStore(database).revoke({ id: grant, now });
    expect(hints).toBeGreaterThan(0);
    unsubscribe();
  });

  test('kept for as long as a token of an hour can live, and then removed', async () => {
    const grant = await addGrant({});
    await createGrantStore(database).revoke({ id: grant, now });
    const log = createRevocationLog(database);
    const issuedAt = now;
    expect(await log.covers({ grantId: grant, resource: DESK, issuedAt, now: later(3600) })).toBe(true);
    expect(await log.covers({ grantId: grant, resource: NOTES, issuedAt, now })).toBe(false);
    await clean(database, later(3600));
    expect(await known(DESK, later(3600))).toEqual([all(grant)]);
    await clean(database, later(3600 + 600));
    expect(await database.prisma.revocation.count()).toBe(0);
  });

  test('with the moment until which tokens are covered', async () => {
    const log = createRevocationLog(database);
    await inTransaction(database, (within) => record(within, { ...all('m'), issuedUntil: later(5) }));
    const covers = (issuedAt: Date) => log.covers({ grantId: 'm', resource: DESK, issuedAt, now });
    expect([await covers(later(-60)), await covers(later(5)), await covers(later(6))]).toEqual([true, true, false]);
  });
});

describe('a reader', () => {
  test('gets every revocation once it is committed, and goes on from its watermark', async () => {
    const log = createRevocationLog(database);
    const start = await log.watermark();
    await inTransaction(database, (within) => record(within, all('one'), all('two', NOTES)));
    const first = await log.readFrom(start);
    expect(grantIds(first)).toEqual(expect.arrayContaining(['one', 'two']));
    await inTransaction(database, (within) => record(within, all('three')));
    expect(grantIds(await log.readFrom(first.watermark))).toContain('three');
    // Once no transaction of before is under way any more, nothing comes twice.
    let { watermark } = await log.readFrom(first.watermark);
    for (let tries = 0; grantIds(await log.readFrom(watermark)).length > 0 && tries < 100; tries += 1) {
      await pause(50);
      watermark = await log.watermark();
    }
    expect(grantIds(await log.readFrom(watermark))).toEqual([]);
  });

  test('misses nothing when all rows were cleaned away in between', async () => {
    const log = createRevocationLog(database);
    await inTransaction(database, (within) => record(within, all('old')));
    const { watermark } = await log.readFrom(await log.watermark());
    await clean(database, later(2 * DAY_SECONDS));
    await inTransaction(database, (within) =>
      recordRevocations(within, { revocations: [all('new')], now: later(2 * DAY_SECONDS) }),
    );
    expect(grantIds(await log.readFrom(watermark))).toEqual(['new']);
  });
});
