import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { changePassword, endAccess } from '../src/access.ts';
import type { Database } from '../src/database.ts';
import {
  createPersonalAccessTokenStore,
  type NewPersonalAccessToken,
  PERSONAL_ACCESS_TOKENS_PER_USER,
  type PersonalAccessTokenStore,
} from '../src/personal-access-token-store.ts';
import { endGrantsAt } from '../src/resource-removal.ts';
import { createRevocationLog } from '../src/revocation-log.ts';
import { inTransaction } from '../src/transaction.ts';
import { createUserStore, type User } from '../src/user-store.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const resource = 'http://localhost:4001/mcp';

let opened: OpenTestDatabase;
let db: Database;
let tokens: PersonalAccessTokenStore;
let nth = 0;
let user: User;
beforeAll(async () => {
  opened = await openTestDatabase();
  db = opened.db;
  tokens = createPersonalAccessTokenStore(db);
});
afterAll(() => opened.drop());
beforeEach(async () => {
  const created = await createUserStore(db).create({ email: `u${nth++}@example.com`, roles: ['agent', 'lead'], now });
  if (!created.ok) throw new Error(created.refusal.reason);
  user = created.user;
});

async function issue(changes: Partial<NewPersonalAccessToken> = {}) {
  const token = `pct_${nth++}`;
  const made = await tokens.issue({
    ...{ token, user, name: 'editor', resource, scopes: ['desk:read', 'desk:write'], issuedBy: undefined },
    ...{ now, ttlSeconds: 60, ...changes },
  });
  if (!made) throw new Error('not issued');
  return { token, ...made };
}

const heard = async (at = resource) =>
  (await createRevocationLog(db).list({ resource: at, limit: 1000, now })).map(({ grantId, issuedUntil }) => ({
    grantId,
    issuedUntil,
  }));

describe('a personal access token (SP-14)', () => {
  test('is found by its value until it expires, and its value is not stored', async () => {
    const { token, id } = await issue();
    expect(await tokens.findByValue({ token, now })).toMatchObject({ id, userId: user.id, resource });
    expect(await tokens.findByValue({ token, now: later(59) })).toBeDefined();
    expect(await tokens.findByValue({ token, now: later(60) })).toBeUndefined();
    expect(await tokens.findByValue({ token: 'pct_other', now })).toBeUndefined();
    expect(JSON.stringify(await db.prisma.personalAccessToken.findMany())).not.toContain(token);
  });

  test('is worth nothing when what its user’s password opened was ended before it was written (SP-12)', async () => {
    const ended = await inTransaction(db, (within) => endAccess(within, { userId: user.id, now }));
    const { token } = await issue();
    expect(await tokens.findByValue({ token, now })).toBeUndefined();
    const { token: fresh } = await issue({ user: { ...user, accessEpoch: ended.accessEpoch } });
    expect(await tokens.findByValue({ token: fresh, now })).toBeDefined();
  });

  test('ends with its user’s access, and resource servers are told (SP-12)', async () => {
    const { id, token } = await issue();
    const ended = await inTransaction(db, (within) => endAccess(within, { userId: user.id, now }));
    expect(ended).toMatchObject({ personalAccessTokens: 1 });
    expect(await tokens.findByValue({ token, now })).toBeUndefined();
    expect(await heard()).toContainEqual({ grantId: id, issuedUntil: undefined });
  });

  test('ends with a password that is set in place of another, and not with the first one', async () => {
    const users = createUserStore(db);
    const { token } = await issue();
    await users.setPassword({ userId: user.id, passwordHash: 'first', now });
    expect(await tokens.findByValue({ token, now })).toBeDefined();
    const proof = { presentHash: 'first' };
    await changePassword(db, { userId: user.id, passwordHash: 'second', proof, now, origin: {} });
    expect(await tokens.findByValue({ token, now })).toBeUndefined();
  });

  test('is asked about anew when its user loses a role or is disabled, and not when nothing is lost', async () => {
    const users = createUserStore(db);
    const { id } = await issue();
    const told = async () => (await heard()).filter(({ grantId }) => grantId === id).length;
    await users.update({ userId: user.id, roles: ['agent', 'lead', 'admin'], now });
    expect(await told()).toBe(0);
    await users.update({ userId: user.id, roles: ['agent'], now });
    expect(await told()).toBe(1);
    await users.setDisabled({ userId: user.id, disabled: true, now });
    expect(await told()).toBe(2);
    expect((await tokens.list({ userId: user.id, limit: 10, now })).map((one) => one.id)).toEqual([id]);
  });

  test('ends with its resource', async () => {
    const at = 'https://gone.example/mcp';
    const [gone, stays] = [await issue({ resource: at }), await issue()];
    await inTransaction(db, (within) => endGrantsAt(within, { resource: at, now }));
    expect(await tokens.findByValue({ token: gone.token, now })).toBeUndefined();
    expect(await tokens.findByValue({ token: stays.token, now })).toBeDefined();
    expect(await heard(at)).toEqual([{ grantId: gone.id, issuedUntil: undefined }]);
  });

  test('is revoked once, by its own user alone where one is named', async () => {
    const { id, token } = await issue();
    expect(await tokens.revoke({ id, userId: 'somebody else', now })).toBeUndefined();
    expect(await tokens.findByValue({ token, now })).toBeDefined();
    expect(await tokens.revoke({ id, userId: user.id, now })).toMatchObject({ id });
    expect(await tokens.revoke({ id, now })).toBeUndefined();
    expect(await tokens.findByValue({ token, now })).toBeUndefined();
    expect(await heard()).toContainEqual({ grantId: id, issuedUntil: undefined });
  });

  test('is noted as used once a minute', async () => {
    const { id } = await issue();
    const used = (seconds: number) => tokens.noteUse({ id, now: later(seconds) });
    expect([await used(0), await used(59), await used(60)]).toEqual([true, false, true]);
    const [listed] = await tokens.list({ userId: user.id, limit: 10, now });
    expect(listed?.lastUsedAt).toEqual(later(60));
  });

  test('is one of a hundred at most for one user, those that expired not counted', async () => {
    const row = { userId: user.id, accessEpoch: 0, name: 'n', resource, scopes: 's', createdAt: now };
    await db.prisma.personalAccessToken.createMany({
      data: Array.from({ length: PERSONAL_ACCESS_TOKENS_PER_USER }, (_, index) => ({
        ...{ ...row, id: `${user.id}-${index}`, tokenHash: `${user.id}-${index}` },
        expiresAt: index === 0 ? now : later(60),
      })),
    });
    await issue();
    await expect(issue()).rejects.toThrow('not issued');
  });

  test('is listed with the others of its user, the newest first, page by page', async () => {
    const made = [await issue({ now: later(1) }), await issue({ now: later(3) }), await issue({ now: later(2) })];
    const [first] = await tokens.list({ userId: user.id, limit: 1, now });
    expect(first?.id).toBe(made[1]?.id);
    const rest = await tokens.list({ userId: user.id, after: first, limit: 10, now });
    expect(rest.map(({ id }) => id)).toEqual([made[2]?.id, made[0]?.id]);
  });
});
