import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { changePassword, endAccess } from '../src/access.ts';
import { createAuditLog } from '../src/audit-log.ts';
import type { Database } from '../src/database.ts';
import { createGrantStore } from '../src/grant-store.ts';
import { createLinkedIdentityStore } from '../src/linked-identity-store.ts';
import { createOneTimeLinkStore } from '../src/one-time-link-store.ts';
import { createSignInStore } from '../src/sign-in-store.ts';
import { inTransaction } from '../src/transaction.ts';
import { createUserStore, type User } from '../src/user-store.ts';
import { atOnce, type OpenTestDatabase, openTestDatabase, warmUp } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const later = new Date('2026-11-21T10:00:00Z');
const resource = 'http://localhost:4001/mcp';
const origin = { address: '127.0.0.1', correlationId: 'c' };

let opened: OpenTestDatabase;
let db: Database;
let other: Database;
let nth = 0;

beforeAll(async () => {
  opened = await openTestDatabase();
  db = opened.db;
  other = await opened.another();
  await warmUp(db, other);
});
afterAll(() => opened.drop());

/** Somebody with a password, a sign-in and an app that holds a refresh token. */
async function someone(): Promise<{ user: User; grantId: string; signInId: string }> {
  const n = nth++;
  const created = await createUserStore(db).create({ email: `u${n}@example.com`, roles: ['agent'], now });
  if (!created.ok) throw new Error(created.refusal.reason);
  const { user } = created;
  await createUserStore(db).setPassword({ userId: user.id, passwordHash: 'old', now });
  const [grantId, signInId] = [`grant-${n}`, `sign-in-${n}`];
  await signIn(user, signInId);
  await db.prisma.grant.create({
    data: {
      id: grantId,
      userId: user.id,
      clientId: 'client-1',
      resources: JSON.stringify({ [resource]: 'desk:read desk:write desk:admin' }),
      detail: '{}',
      issuedAt: now,
      expiresAt: later,
    },
  });
  await db.prisma.refreshToken.create({
    data: {
      id: `token-${n}`,
      grantId,
      clientId: 'client-1',
      userId: user.id,
      scope: 'desk:read desk:write desk:admin',
      detail: '{}',
      issuedAt: now,
      firstIssuedAt: now,
      expiresAt: later,
    },
  });
  return { user, grantId, signInId };
}

async function signIn({ id: userId, accessEpoch }: User, id: string): Promise<void> {
  const seen = { browser: 'Firefox', address: '127.0.0.1', signedInAt: now, now, expiresAt: later };
  await createSignInStore(db).begin({ id, userId, accessEpoch, ...seen });
  await db.prisma.engineRecord.upsert({
    where: { model_id: { model: 'Session', id } },
    create: { model: 'Session', id, uid: id, payload: 'sealed', userId, expiresAt: later },
    update: {},
  });
}

const isOpen = async (user: User, id: string) =>
  (await createSignInStore(db).findOpen({ id, userId: user.id, now })) !== undefined;

describe('ending what a user opened (SP-12)', () => {
  test('ends sign-ins, grants, their tokens and links, and nothing of anybody else', async () => {
    const [mine, theirs] = [await someone(), await someone()];
    const links = createOneTimeLinkStore(db);
    const link = { purpose: 'password', now, ttlSeconds: 60 } as const;
    const [token, another] = [
      await links.issue({ ...link, userId: mine.user.id }),
      await links.issue({ ...link, userId: theirs.user.id }),
    ];
    const ended = await inTransaction(db, (within) => endAccess(within, { userId: mine.user.id, now }));
    expect(ended).toEqual({ signIns: 1, grants: 1, personalAccessTokens: 0, links: 1, accessEpoch: 1 });
    expect([await isOpen(mine.user, mine.signInId), await isOpen(theirs.user, theirs.signInId)]).toEqual([false, true]);
    expect(await db.prisma.refreshToken.count({ where: { grantId: mine.grantId } })).toBe(0);
    expect(await db.prisma.refreshToken.count({ where: { grantId: theirs.grantId } })).toBe(1);
    expect(await links.find({ token, purpose: 'password', now })).toBeUndefined();
    expect(await links.find({ token: another, purpose: 'password', now })).toBeDefined();
  });

  test('leaves a sign-in that began with the password of before closed, though it is written afterwards', async () => {
    const { user } = await someone();
    await inTransaction(db, (within) => endAccess(within, { userId: user.id, now }));
    await signIn(user, `late-${user.id}`);
    expect(await isOpen(user, `late-${user.id}`)).toBe(false);
    const fresh = await createUserStore(db).findById(user.id);
    if (!fresh) throw new Error('gone');
    await signIn(fresh, `fresh-${user.id}`);
    expect(await isOpen(fresh, `fresh-${user.id}`)).toBe(true);
  });
});

describe('changing a password', () => {
  test('of eight at once, on two connections, one succeeds and is recorded, in every round', async () => {
    for (let round = 0; round < rounds(50); round++) {
      const { user } = await someone();
      const change = { userId: user.id, proof: { presentHash: 'old' }, now, origin };
      const results = await atOnce(8, (n) =>
        changePassword(n % 2 ? db : other, { ...change, passwordHash: `new-${n}` }),
      );
      expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
      expect(results.filter((result) => result.status === 'fulfilled' && result.value)).toHaveLength(1);
      expect(await createAuditLog(db).list({ subject: user.id, type: 'user.password_set' })).toHaveLength(1);
    }
  });

  test('takes away the accounts elsewhere that were added with the old one, but never the last administrator', async () => {
    const [{ user }, bystander] = [await someone(), await someone()];
    const store = createLinkedIdentityStore(db);
    const issuer = 'https://elsewhere.example';
    const link = (subject: string, addedByUser: boolean, userId = user.id) =>
      store.link({ issuer, subject: `${subject} of ${user.id}`, userId, addedByUser, now });
    for (const subject of ['first', 'second']) await link(subject, true);
    await link('by an administrator', false);
    await link('theirs', true, bystander.user.id);
    const roles = ['admin', 'agent', 'lead'];
    await createUserStore(db).update({ userId: user.id, roles, now });
    const given = { label: undefined, givenRoles: ['admin', 'lead'], now };
    await store.noteSignIn({ issuer, subject: `second of ${user.id}`, ...given });
    const change = { userId: user.id, passwordHash: 'new', proof: { presentHash: 'old' }, now, origin };
    const ended = await changePassword(db, change);
    expect(ended?.identities.map(({ subject }) => subject)).toEqual([`first of ${user.id}`, `second of ${user.id}`]);
    expect((await store.list(user.id)).map(({ subject }) => subject)).toEqual([`by an administrator of ${user.id}`]);
    expect(await store.list(bystander.user.id)).toHaveLength(1);
    expect((await createUserStore(db).findById(user.id))?.roles).toEqual(['admin', 'agent']);
    expect(await createAuditLog(db).list({ subject: user.id, type: 'user.identity_unlinked' })).toHaveLength(2);
  });

  test('by a dead link, a stale password or for a disabled user changes nothing and records nothing', async () => {
    const { user, signInId } = await someone();
    const change = { userId: user.id, passwordHash: 'new', now, origin };
    for (const proof of [{ presentHash: 'not that' }, { linkToken: 'no such link' }])
      expect(await changePassword(db, { ...change, proof })).toBeUndefined();
    expect(await isOpen(user, signInId)).toBe(true);
    await createUserStore(db).setDisabled({ userId: user.id, disabled: true, now });
    expect(await changePassword(db, { ...change, proof: { presentHash: 'old' } })).toBeUndefined();
    expect((await createUserStore(db).findById(user.id))?.passwordHash).toBe('old');
    expect(await createAuditLog(db).list({ subject: user.id })).toEqual([]);
  });
});

describe('narrowing a grant', () => {
  const narrow = (on: Database, o: { id: string; userId: string; scopes: string[] }) =>
    inTransaction(on, (within) => createGrantStore(within).narrow({ ...o, resource, now }));

  test('by eight at once, on two connections, leaves what all of them leave, and never gives back', async () => {
    for (let round = 0; round < rounds(50); round++) {
      const { user, grantId: id } = await someone();
      const [few, others] = [
        ['desk:read', 'desk:write'],
        ['desk:read', 'desk:admin'],
      ] as const;
      const results = await atOnce(8, (n) =>
        narrow(n % 2 ? db : other, { id, userId: user.id, scopes: [...(n < 4 ? few : others)] }),
      );
      expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
      await narrow(db, { id, userId: user.id, scopes: ['desk:read', 'desk:write', 'desk:admin', 'more'] });
      expect((await createGrantStore(db).find({ id, now }))?.resources).toEqual({ [resource]: ['desk:read'] });
      const [token] = await db.prisma.refreshToken.findMany({ where: { grantId: id } });
      expect(token?.scope).toBe('desk:read');
    }
  });

  test('is for its own user, and leaves at least one scope', async () => {
    const { user, grantId: id } = await someone();
    expect(await narrow(db, { id, userId: 'somebody else', scopes: ['desk:read'] })).toEqual({
      ok: false,
      refusal: { reason: 'unknown_grant' },
    });
    for (const scopes of [[], ['admin:users']])
      expect(await narrow(db, { id, userId: user.id, scopes })).toEqual({
        ok: false,
        refusal: { reason: 'nothing_left' },
      });
  });
});
