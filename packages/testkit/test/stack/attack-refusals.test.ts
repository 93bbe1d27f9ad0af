import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createAuditLog, type RecordedAuditEvent } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { readToken, sendJson } from '../../src/index.ts';
import { adminTokens } from './support/administration.ts';
import {
  authorizationRequest,
  registerClient,
  type Target,
  type TestClient,
  targetOf,
} from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { newHolder } from './support/personal-access-tokens.ts';

/** In a window; the tests may run into a second one. */
const [PER_MATTER, PER_PERSON] = [20, 200];
const WINDOW_SECONDS = 900;
const FLOOD = 500;

let database: TestDatabase;
let server: InProcess;
let replica: InProcess;
let target: Target;

// Of their own for each test, which ends with a clock that the engine does not look at.
beforeEach(async () => {
  database = await createTestDatabase();
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  replica = await startInProcess({ databaseUrl: database.url, issuer: server.issuer });
  target = await targetOf(server);
});

afterEach(async () => {
  await replica?.close();
  await server?.close();
  await database?.drop();
});

const trail = (filter: object) => createAuditLog(server.database).list({ limit: 2000, ...filter });

/** Lets the window end, and both replicas do what they do every ten minutes. */
async function endWindow(): Promise<void> {
  for (const each of [server, replica]) each.pass(2 * WINDOW_SECONDS);
  await Promise.all([server.clean(), replica.clean(), server.clean(), replica.clean()]);
}

const countOf = ({ detail }: RecordedAuditEvent): number => Number(detail?.notRecorded ?? 0);
const sum = (events: readonly RecordedAuditEvent[]) => events.reduce((total, event) => total + countOf(event), 0);

/** Does something so often, ten at a time. */
async function many<T>(count: number, once: (nth: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let done = 0; done < count; done += 10)
    results.push(...(await Promise.all(Array.from({ length: Math.min(10, count - done) }, (_, i) => once(done + i)))));
  return results;
}

describe('what an administrator is refused cannot fill the audit trail (SP-37)', () => {
  /** Calls the admin API at one of the replicas, from one of many addresses. */
  const refusedBy = async (token: string, { nth, method, path }: { nth: number; method: string; path: string }) => {
    const { status } = await sendJson(`http://localhost:${nth % 2 ? server.port : replica.port}/admin/api/v1${path}`, {
      method,
      headers: { host: new URL(server.issuer).host, authorization: `Bearer ${token}` },
      fromAddress: `127.0.3.${(nth % 200) + 1}`,
    });
    expect(status).toBe(403);
  };

  test('of one operation the first ones are recorded, and one record says how many there were beside', async () => {
    const { access: token } = await adminTokens(target, { scope: 'admin:audit' });
    const type = 'admin.refused';
    await many(FLOOD, (nth) => refusedBy(token, { nth, method: 'GET', path: '/users' }));
    // What else is tried meanwhile is not hidden by it.
    await refusedBy(token, { nth: 0, method: 'GET', path: '/keys' });
    const recorded = (await trail({ type })).filter(({ detail }) => detail?.operation === '/users');
    expect(recorded.length).toBeGreaterThanOrEqual(PER_MATTER);
    expect(recorded.length).toBeLessThanOrEqual(2 * PER_MATTER);
    const { sub: subject } = readToken(token).claims;
    for (const event of recorded)
      expect(event).toMatchObject({ outcome: 'denied', subject, detail: { reason: 'insufficient_scope' } });
    expect((await trail({ type })).filter(({ detail }) => detail?.operation === '/keys')).toHaveLength(1);
    await endWindow();
    const summed = (await trail({ type })).filter((event) => countOf(event) > 0);
    expect(summed.length).toBeLessThanOrEqual(2);
    expect(summed[0]).toMatchObject({ outcome: 'denied', subject, detail: { operation: '/users' } });
    expect(recorded.length + sum(summed)).toBe(FLOOD);
  });

  test('nor do all operations in turn fill it', async () => {
    const { access: token } = await adminTokens(target, { scope: 'admin:audit' });
    const paths = ['/users', '/clients', '/resources', '/grants', '/personal-access-tokens', '/registration-tokens'];
    const operations = [
      ...[...paths, '/keys'].map((path) => ({ method: 'GET', path })),
      ...['/users', '/clients', '/resources'].flatMap((path) =>
        ['GET', 'PATCH', 'DELETE'].map((method) => ({ method, path: `${path}/x` })),
      ),
    ];
    const isOne = async ({ method, path }: { method: string; path: string }) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await sendJson(`${server.issuer}/admin/api/v1${path}`, { method, headers })).status === 403;
    };
    const there: typeof operations = [];
    for (const operation of operations) if (await isOne(operation)) there.push(operation);
    expect(there.length).toBeGreaterThan(PER_PERSON / PER_MATTER);
    const each = 2 * PER_MATTER;
    await many(there.length * each, async (nth) => {
      const operation = there[nth % there.length];
      if (operation) await refusedBy(token, { nth, ...operation });
    });
    const recorded = await trail({ type: 'admin.refused' });
    expect(recorded.length).toBeGreaterThanOrEqual(Math.min(PER_PERSON, there.length * PER_MATTER));
    expect(recorded.length).toBeLessThanOrEqual(2 * PER_PERSON);
    await endWindow();
    expect(recorded.length + sum(await trail({ type: 'admin.refused' }))).toBe(there.length * (each + 1));
  });
});

test('SP-37: nor can whoever denies one app again and again; a denial that takes something back is recorded', async () => {
  const { person, who } = await newHolder(server);
  const [app, web] = [
    await registerClient(target, { client_name: 'App' }),
    await registerClient(target, { client_name: 'Web', redirect_uris: ['https://app.example/callback'] }),
  ];
  const decide = async (client: TestClient, action: string, prompt?: string) => {
    const step = await person.open(authorizationRequest(target, client, { prompt }).url);
    return (await person.submit(step, { action })).url.searchParams;
  };
  const count = rounds(FLOOD);
  for (let nth = 0; nth < count; nth++) expect((await decide(app, 'deny')).get('error')).toBe('access_denied');
  const event = { type: 'consent.decided', subject: who.userId };
  const recorded = await trail({ client: app.id, ...event });
  expect(recorded.length).toBeGreaterThanOrEqual(PER_MATTER);
  expect(recorded.length).toBeLessThanOrEqual(2 * PER_MATTER);
  for (const { outcome, detail } of recorded)
    expect({ outcome, detail }).toMatchObject({ outcome: 'denied', detail: { granted: '' } });
  // Denials of another app that take back what was allowed are there each time, whatever came before.
  for (let nth = 0; nth < PER_MATTER + 2; nth++) {
    expect((await decide(web, 'approve')).get('code')).toEqual(expect.any(String));
    expect((await decide(web, 'deny', 'consent')).get('error')).toBe('access_denied');
  }
  const outcomes = (await trail({ client: web.id, ...event })).map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'denied')).toHaveLength(PER_MATTER + 2);
  await endWindow();
  expect(recorded.length + sum(await trail(event))).toBe(count);
});
