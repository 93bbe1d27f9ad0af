import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { errors } from 'oidc-provider';
import { createAuditLog } from '../src/audit-log.ts';
import { clean } from '../src/clean.ts';
import { createConsentStore } from '../src/consent-store.ts';
import { createEngineAdapter } from '../src/engine-adapter/engine-adapter.ts';
import { createEnvelope } from '../src/envelope.ts';
import { createOneTimeLinkStore } from '../src/one-time-link-store.ts';
import { createRegistrationTokenStore } from '../src/registration-token-store.ts';
import { createUserStore } from '../src/user-store.ts';
import { type OpenTestDatabase, openTestDatabase } from './support/open-test-database.ts';

const now = new Date('2026-11-20T10:00:00Z');
const seconds = now.getTime() / 1000;
let database: OpenTestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('what has expired is removed from every table, and nothing else (SP-5)', async () => {
  const { db } = database;
  const { prisma } = db;
  const adapter = createEngineAdapter(db, { clock: () => now, envelope: createEnvelope(randomBytes(32)), errors });
  const ids = { accountId: 'user-1', clientId: 'client-1', grantId: 'grant-1' };
  for (const [name, exp] of [
    ['expired', seconds],
    ['live', seconds + 1],
  ] as const) {
    for (const model of ['Grant', 'AuthorizationCode', 'RefreshToken', 'Session', 'ReplayDetection']) {
      await adapter(model).upsert(name, { ...ids, exp, iat: seconds - 60, uid: name }, 60);
    }
    await createConsentStore(db).remember({
      ...ids,
      userId: 'user-1',
      resource: name,
      redirectUri: '',
      scopes: [],
      now,
      ttlSeconds: exp - seconds,
    });
    await createOneTimeLinkStore(db).issue({ purpose: 'setup', now, ttlSeconds: exp - seconds });
    await adapter('Client').upsert(name, { client_id: name, redirect_uris: [] });
    await prisma.client.update({ where: { id: name }, data: { expiresAt: new Date(exp * 1000) } });
    await prisma.clientTombstone.create({
      data: { id: `tombstone-${name}`, removal: 'expired', removedAt: now, expiresAt: new Date(exp * 1000) },
    });
    await createRegistrationTokenStore(db).issue({ name, maxUses: null, now, ttlSeconds: exp - seconds });
    const expiresAt = new Date(exp * 1000);
    const personal = { userId: 'user-1', accessEpoch: 0, name, resource: name, scopes: '', createdAt: now };
    await prisma.personalAccessToken.create({ data: { id: name, tokenHash: name, ...personal, expiresAt } });
    await prisma.remoteDocument.create({ data: { id: name, url: name, expiresAt } });
    await prisma.clientDocumentVersion.create({ data: { id: name, clientId: name, body: '{}', expiresAt } });
    await prisma.clientApproval.create({ data: { id: name, clientId: name, createdAt: now, expiresAt } });
    await prisma.rateLimit.create({ data: { key: name, points: 1, expire: new Date(exp * 1000) } });
  }
  await adapter('RegistrationAccessToken').upsert('endless', { clientId: 'live' }, undefined as unknown as number);
  await prisma.client.create({
    data: { id: 'manual', registration: 'manual', metadata: '{}', createdAt: now, updatedAt: now },
  });
  await prisma.rateLimit.create({ data: { key: 'endless', points: 1 } });
  await createUserStore(db).create({ email: 'ada@example.org', roles: [], now });
  await createAuditLog(db).record({ time: new Date(0), type: 'token.issued', outcome: 'success' });

  expect(await clean(db, now)).toBe(15);
  expect(await clean(db, now)).toBe(0);

  const left = {
    grants: await prisma.grant.count(),
    codes: await prisma.authorizationCode.count(),
    refreshTokens: await prisma.refreshToken.count(),
    engineRecords: await prisma.engineRecord.count(),
    replayedIdentifiers: await prisma.replayedIdentifier.count(),
    consents: await prisma.consent.count(),
    links: await prisma.oneTimeLink.count(),
    clients: await prisma.client.count(),
    clientTombstones: await prisma.clientTombstone.count(),
    registrationTokens: await prisma.registrationToken.count(),
    rateLimits: await prisma.rateLimit.count(),
    personalAccessTokens: await prisma.personalAccessToken.count(),
    remoteDocuments: await prisma.remoteDocument.count(),
    clientDocumentVersions: await prisma.clientDocumentVersion.count(),
    clientApprovals: await prisma.clientApproval.count(),
    users: await prisma.user.count(),
    auditEvents: await prisma.auditEvent.count(),
  };
  expect(left).toStrictEqual({
    grants: 1,
    codes: 1,
    refreshTokens: 1,
    engineRecords: 2,
    replayedIdentifiers: 1,
    consents: 1,
    links: 1,
    clients: 2,
    // One of them is the expired client's own.
    clientTombstones: 2,
    registrationTokens: 1,
    rateLimits: 2,
    personalAccessTokens: 1,
    remoteDocuments: 1,
    clientDocumentVersions: 1,
    clientApprovals: 1,
    users: 1,
    auditEvents: 1,
  });
});

test('more than one batch is removed in one go (SP-5)', async () => {
  const { db } = database;
  const expiresAt = new Date(now.getTime() - 1);
  await db.prisma.replayedIdentifier.createMany({
    data: Array.from({ length: 1234 }, (_, index) => ({ id: `replayed-${index}`, expiresAt })),
  });
  expect(await clean(db, now)).toBe(1234);
});
