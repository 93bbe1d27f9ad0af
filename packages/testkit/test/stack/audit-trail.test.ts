import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AuditLog, createAuditLog } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { asks, createHttpPerson, requestToken } from '../../src/index.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  type Target,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

describe('the audit trail (SP-37)', () => {
  let database: TestDatabase;
  let server: InProcess;
  let target: Target;
  let audit: AuditLog;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
    target = await targetOf(server);
    audit = createAuditLog(server.database);
  });

  afterAll(async () => {
    await server?.close();
    await database?.drop();
  });

  /** What happened since, the oldest first. */
  async function since(moment: Date): Promise<{ type: string; outcome: string }[]> {
    const events = await audit.list({ since: moment });
    return events.reverse().map(({ type, outcome }) => ({ type, outcome }));
  }

  test('records registration, sign-in, consent, code, token and refresh, each with who, what and where from', async () => {
    const begin = new Date();
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    const { refresh } = tokensOf(await redeem(target, client, { code }));
    const again = await requestToken(target.server, {
      grant_type: 'refresh_token',
      client_id: client.id,
      refresh_token: refresh,
    });
    expect(again.status).toBe(200);
    expect(await since(begin)).toEqual([
      { type: 'client.registered', outcome: 'success' },
      { type: 'user.signed_in', outcome: 'success' },
      { type: 'consent.decided', outcome: 'success' },
      { type: 'code.issued', outcome: 'success' },
      { type: 'token.issued', outcome: 'success' },
      { type: 'token.refreshed', outcome: 'success' },
    ]);
    const [refreshed, ...others] = await audit.list({ since: begin, client: client.id });
    expect(refreshed).toMatchObject({
      client: client.id,
      address: '127.0.0.1',
      detail: { grantId: expect.any(String) },
    });
    const subjects = new Set([refreshed, ...others].map((event) => event?.subject).filter(Boolean));
    expect(subjects.size).toBe(1);
    expect(new Set(others.map((event) => event.correlationId)).size).toBe(others.length);
  });

  test('SP-37: records a consent that was given before, and with which grant it is used again', async () => {
    const client = await registerClient(target, { client_name: 'Again', redirect_uris: ['https://again.example/cb'] });
    const person = createHttpPerson();
    await obtainCode(target, client, { person });
    const begin = new Date();
    await obtainCode(target, client, { person });
    expect(await since(begin)).toEqual([
      { type: 'consent.reused', outcome: 'success' },
      { type: 'code.issued', outcome: 'success' },
    ]);
    const [issued, reused] = await audit.list({ since: begin, client: client.id });
    expect(reused).toMatchObject({ subject: issued?.subject, resource: server.mcpUrl, address: '127.0.0.1' });
    expect(reused?.detail).toEqual({ granted: 'desk:read', grantId: expect.any(String) });
  });

  test('records what was refused: a wrong password, a denied consent, a wrong code, a registration', async () => {
    const begin = new Date();
    const client = await registerClient(target);
    const person = createHttpPerson();
    let step = await person.open(authorizationRequest(target, client).url);
    step = await person.submit(step, { email: OWNER.email, password: 'not the password', action: 'login' });
    expect(asks(step, 'login')).toBe(true);
    step = await person.submit(step, { ...OWNER, action: 'login' });
    await person.submit(step, { action: 'deny' });
    await redeem(target, client, { code: { code: 'made-up', verifier: 'x'.repeat(43) } });
    await expect(registerClient(target, { redirect_uris: ['javascript:alert(1)'] })).rejects.toThrow();
    expect(await since(begin)).toEqual([
      { type: 'client.registered', outcome: 'success' },
      { type: 'user.signed_in', outcome: 'denied' },
      { type: 'user.signed_in', outcome: 'success' },
      { type: 'consent.decided', outcome: 'denied' },
      { type: 'token.refused', outcome: 'denied' },
      { type: 'client.registered', outcome: 'denied' },
    ]);
  });

  test('AS-19: a refresh token used again is recorded as reuse, and ends its grant', async () => {
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    const { refresh } = tokensOf(await redeem(target, client, { code }));
    const use = (token: string) =>
      requestToken(target.server, { grant_type: 'refresh_token', client_id: client.id, refresh_token: token });
    const { refresh: successor } = tokensOf(await use(refresh));
    server.pass(121);
    const begin = new Date();
    expect(await use(refresh)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
    expect(await use(successor)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
    const types = (await since(begin)).map(({ type }) => type).sort();
    expect(types).toEqual(['anomaly.raised', 'token.refused', 'token.refused', 'token.reuse_detected']);
    const [anomaly] = await audit.list({ type: 'anomaly.raised', since: begin });
    expect(anomaly).toMatchObject({ client: client.id, detail: { kind: 'refresh_token_reuse' } });
  });

  test('what cannot be recorded is not answered', async () => {
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    await server.database.prisma.$executeRawUnsafe('ALTER TABLE "AuditEvent" RENAME TO "AuditEventAway"');
    try {
      const answer = await redeem(target, client, { code });
      expect(answer.status).toBe(500);
      expect(answer.json).not.toHaveProperty('access_token');
      expect(answer.text).not.toMatch(/AuditEvent|prisma|stack/i);
    } finally {
      await server.database.prisma.$executeRawUnsafe('ALTER TABLE "AuditEventAway" RENAME TO "AuditEvent"');
    }
  });
});
