import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Adapter, errors } from 'oidc-provider';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { standingOfSession } from '../src/engine-adapter/sessions.ts';
import { createEnvelope } from '../src/envelope.ts';
import type { RowsAhead } from '../src/presented-rows.ts';
import type { InteractionRows } from '../src/session-rows.ts';
import { createSignInStore, ifOpen } from '../src/sign-in-store.ts';
import { createUserStore, type User } from '../src/user-store.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const START = Date.UTC(2026, 10, 26, 12);
const at = (seconds: number) => new Date(START + seconds * 1000);
const COOKIE = 'the cookie of a session';
const UID = 'uid-of-the-session';

let database: OpenTestDatabase;
let user: User;
let other: User;
let kept: Pick<InteractionRows, 'client' | 'session'> | undefined;
let sessions: Adapter;
let interactions: Adapter;

/** A request that keeps what it is given, and gives each session once. */
const rowsAhead: RowsAhead = {
  refreshToken: () => undefined,
  code: () => undefined,
  grant: () => undefined,
  session: (uid) => {
    const session = kept?.session;
    if (session?.uid !== uid) return undefined;
    kept = { client: kept?.client, session: undefined };
    return session;
  },
  wantsSession: () => kept === undefined,
  keep: (rows) => {
    kept = rows;
  },
};

beforeAll(async () => {
  database = await openTestDatabase();
  const users = createUserStore(database.db);
  const create = async (email: string, roles: string[]) => {
    const created = await users.create({ email, roles, now: at(0) });
    if (!created.ok) throw new Error('no user was made');
    return created.user;
  };
  user = await create('owner@example.com', ['lead', 'admin']);
  other = await create('other@example.com', []);
  const envelope = createEnvelope(randomBytes(32));
  const adapter = createEngineAdapter(database.db, { clock: () => at(60), envelope, errors, rowsAhead });
  sessions = adapter('Session');
  interactions = adapter('Interaction');
});
afterAll(() => database.drop());

beforeEach(async () => {
  kept = undefined;
  const { prisma } = database.db;
  await prisma.engineRecord.deleteMany();
  await prisma.signIn.deleteMany();
  await prisma.user.updateMany({ data: { disabledAt: null, accessEpoch: 0 } });
  await begin(UID, user.id);
  await sessions.upsert(COOKIE, { uid: UID, jti: COOKIE, accountId: user.id }, 3600);
});

function begin(id: string, userId: string): Promise<void> {
  return createSignInStore(database.db).begin({
    ...{ id, userId, accessEpoch: 0, signedInAt: at(0), browser: 'Firefox on Linux', address: '192.0.2.1' },
    ...{ now: at(0), expiresAt: at(3600) },
  });
}

async function standing() {
  const session = await sessions.find(COOKIE);
  return session ? standingOfSession(session) : undefined;
}

async function isOpen(): Promise<boolean> {
  const signIn = (await standing())?.signIn;
  const own = { id: UID, userId: user.id, now: at(60) };
  const asked = (await createSignInStore(database.db).findOpen(own)) !== undefined;
  expect(ifOpen(signIn, at(60)) !== undefined).toBe(asked);
  return asked;
}

describe('SP-12: a session comes with what it stands on, which is what asking for that would give', () => {
  test('its sign-in, and its user with the roles', async () => {
    expect(await isOpen()).toBe(true);
    expect(await standing()).toEqual({
      user: await createUserStore(database.db).findById(user.id),
      signIn: { id: UID, lastSeenAt: at(0), expiresAt: at(3600), endedAt: null },
    });
    expect((await standing())?.user.roles).toEqual(['admin', 'lead']);
  });

  test.each([
    ['the sign-in was ended', () => createSignInStore(database.db).end({ id: UID, userId: user.id, now: at(1) })],
    ['all that the user opened was ended', () => database.db.prisma.user.updateMany({ data: { accessEpoch: 1 } })],
    ['the user is disabled', () => database.db.prisma.user.updateMany({ data: { disabledAt: at(1) } })],
    ['the sign-in has expired', () => database.db.prisma.signIn.updateMany({ data: { expiresAt: at(59) } })],
    ['there is no sign-in', () => database.db.prisma.signIn.deleteMany()],
  ])('none that is open where %s', async (_what, change) => {
    await change();
    expect(await isOpen()).toBe(false);
  });

  test('nothing of somebody else, whatever the columns beside the sealed session say', async () => {
    await begin('uid-of-another', other.id);
    await database.db.prisma.engineRecord.updateMany({ data: { uid: 'uid-of-another', userId: other.id } });
    expect(await sessions.find(COOKIE)).toMatchObject({ uid: UID, accountId: user.id });
    expect(await standing()).toBeUndefined();
    await begin('another-of-the-user', user.id);
    await database.db.prisma.engineRecord.updateMany({ data: { uid: 'another-of-the-user', userId: user.id } });
    expect(await standing()).toMatchObject({ user: { id: user.id }, signIn: undefined });
  });
});

describe('an interaction', () => {
  const params = { client_id: 'client-of-the-interaction' };
  const interaction = (uid?: string) =>
    interactions.upsert('interaction', { params, ...(uid && { session: { uid, accountId: user.id } }) }, 600);
  beforeAll(async () => {
    await database.db.prisma.client.create({
      data: { id: params.client_id, registration: 'dynamic', metadata: '{}', createdAt: at(0), updatedAt: at(0) },
    });
  });

  test('comes with its client and its session, which are those that asking gives', async () => {
    await interaction(UID);
    expect(await interactions.find('interaction')).toMatchObject({ params });
    const { prisma } = database.db;
    expect(kept?.client).toEqual(await prisma.client.findUnique({ where: { id: params.client_id } }));
    const ahead = await sessions.findByUid(UID);
    expect(kept?.session).toBeUndefined();
    const asked = await sessions.findByUid(UID);
    expect(ahead).toEqual(asked);
    expect(ahead && standingOfSession(ahead)).toEqual(asked && standingOfSession(asked));
    expect(asked && standingOfSession(asked)?.signIn).toMatchObject({ id: UID });
  });

  test('of nobody who is signed in comes without a session, and one whose client is gone without a client', async () => {
    params.client_id = 'gone';
    await interaction();
    expect(await interactions.find('interaction')).toMatchObject({ params });
    expect(kept).toEqual({ client: undefined, session: undefined });
  });

  test('comes with the session that lives longest, of two that were saved at once', async () => {
    const session = { uid: UID, accountId: user.id };
    await sessions.upsert('a cookie of the same', { ...session, jti: 'a cookie of the same' }, 7200);
    await interaction(UID);
    await interactions.find('interaction');
    expect(await sessions.findByUid(UID)).toMatchObject({ jti: 'a cookie of the same' });
  });
});
