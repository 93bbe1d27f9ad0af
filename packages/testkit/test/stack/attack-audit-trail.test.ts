import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuditLog, type RecordedAuditEvent } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { createHttpPerson, requestToken, sendJson } from '../../src/index.ts';
import { act } from './support/account.ts';
import {
  codeExchange,
  obtainCode,
  redeem,
  registerClient,
  type Target,
  type TestClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { askForToken, newHolder } from './support/personal-access-tokens.ts';

const WINDOW_SECONDS = 900;
/** In a window; the tests may run into a second one. */
const [PER_CLIENT, PER_NETWORK] = [20, 200];

let database: TestDatabase;
let server: InProcess;
let replica: InProcess;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  replica = await startInProcess({ databaseUrl: database.url, issuer: server.issuer });
  target = await targetOf(server);
});

afterAll(async () => {
  await replica?.close();
  await server?.close();
  await database?.drop();
});

const newClient = (metadata = {}) => registerClient(target, { client_name: randomUUID(), ...metadata });

/** A token request that must be refused, at one of the two replicas. */
async function fail(client: Pick<TestClient, 'id'>, { nth, from }: { nth: number; from: string }): Promise<void> {
  const nothing = { code: `x${nth}`, verifier: 'x'.repeat(43) };
  const exchange = codeExchange(target, { secret: undefined, redirectUri: 'http://localhost:9/', ...client }, nothing);
  const endpoint = Object.assign(new URL(target.server.token_endpoint), {
    port: nth % 2 === 0 ? server.port : replica.port,
  });
  const answer = await requestToken({ ...target.server, token_endpoint: endpoint.href }, exchange, {
    fromAddress: from,
    headers: { host: new URL(server.issuer).host },
  });
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
}

/** Eight at a time. */
async function flood(clients: readonly Pick<TestClient, 'id'>[], { count, from }: { count: number; from: string }) {
  for (let done = 0; done < count; done += 8) {
    const size = Math.min(8, count - done);
    const requests = Array.from({ length: size }, (_, i) => {
      const nth = done + i;
      const client = clients[nth % clients.length];
      return client ? fail(client, { nth, from }) : undefined;
    });
    await Promise.all(requests);
  }
}

const trail = (filter: object = {}) => createAuditLog(server.database).list({ limit: 2000, ...filter });

/** Lets the window end, and both replicas do what they do every ten minutes. */
async function endWindow(): Promise<void> {
  for (const each of [server, replica]) each.pass(2 * WINDOW_SECONDS);
  await Promise.all([server.clean(), replica.clean(), server.clean(), replica.clean()]);
}

const countOf = ({ detail }: RecordedAuditEvent): number => Number(detail?.notRecorded ?? 0);
const sum = (events: readonly RecordedAuditEvent[]) => events.reduce((total, event) => total + countOf(event), 0);

describe('failing token requests cannot fill the audit trail (SP-37)', () => {
  // First, as the others move the clock, which the engine does not look at.
  test('what matters is recorded all the same: another network, another client, success, and a token that is used again', async () => {
    const begin = server.now();
    const [noise, victim] = [await newClient(), await newClient()];
    const from = '127.0.0.1';
    await flood([noise], { count: 40, from });
    await fail(victim, { nth: 0, from });
    await fail(noise, { nth: 0, from: '127.0.0.23' });
    const code = await obtainCode(target, victim, { person: createHttpPerson() });
    const { refresh } = tokensOf(await redeem(target, victim, { code }));
    const body = { grant_type: 'refresh_token', client_id: victim.id, refresh_token: refresh };
    expect((await requestToken(target.server, body)).status).toBe(200);
    const types = (await trail({ since: begin, client: victim.id })).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['token.refused', 'token.issued', 'token.refreshed']));
    const elsewhere = await trail({ since: begin, client: noise.id });
    expect(elsewhere.filter(({ address }) => address === '127.0.0.23')).toHaveLength(1);
    expect(elsewhere.filter(({ address }) => address === from).length).toBeLessThanOrEqual(2 * PER_CLIENT);
    // The code is used again: that ends the grant, and the record of it is never counted away.
    await redeem(target, victim, { code });
    const later = (await trail({ since: begin, client: victim.id })).map(({ type }) => type);
    expect(later).toContain('token.reuse_detected');
  });

  test('of one client from one network a few are recorded one by one, and one record says how many there were beside', async () => {
    const client = await newClient();
    const count = rounds(1000);
    await flood([client], { count, from: '127.0.0.21' });
    const recorded = await trail({ client: client.id, type: 'token.refused' });
    expect(recorded.length).toBeGreaterThanOrEqual(PER_CLIENT);
    expect(recorded.length).toBeLessThanOrEqual(2 * PER_CLIENT);
    expect(recorded[0]).toMatchObject({ detail: { error: 'invalid_grant' }, address: '127.0.0.21' });

    await endWindow();
    const summed = (await trail({ client: client.id, type: 'token.refused' })).filter((event) => countOf(event) > 0);
    expect(summed.length).toBeGreaterThanOrEqual(1);
    expect(summed.length).toBeLessThanOrEqual(2);
    expect(recorded.length + sum(summed)).toBe(count);
    expect(summed[0]).toMatchObject({
      outcome: 'denied',
      address: '127.0.0.21',
      detail: { since: expect.stringMatching(/^2.*Z$/), windowSeconds: WINDOW_SECONDS },
    });
    // It is said once.
    await endWindow();
    expect(sum(await trail({ client: client.id }))).toBe(sum(summed));
  });

  test('clients that nobody knows, and many that somebody registered, count for their network', async () => {
    const begin = server.now();
    const clients = await Promise.all(Array.from({ length: 15 }, () => newClient()));
    const from = '127.0.0.22';
    await flood([{ id: 'nobody' }, { id: 'somebody-else' }], { count: 60, from });
    await flood(clients, { count: 15 * 18, from });
    const refused = async () =>
      (await trail({ since: begin })).filter(
        ({ type, address }) =>
          address === from && (type === 'token.refused' || type === 'client.authentication_failed'),
      );
    const recorded = await refused();
    expect(recorded.length).toBeGreaterThanOrEqual(PER_NETWORK);
    expect(recorded.length).toBeLessThanOrEqual(PER_NETWORK + 2 * PER_CLIENT);
    await endWindow();
    const all = await refused();
    expect(all.length - recorded.length).toBeLessThanOrEqual(4);
    expect(recorded.length + sum(all)).toBe(60 + 15 * 18);
  });
});

test('SP-37: sign-ins that are turned away after too many failures cannot fill it either; the rest is counted', async () => {
  const begin = server.now();
  const from = '127.0.0.77';
  const person = createHttpPerson({ fromAddress: from });
  const page = await person.open(`${server.issuer}/account`);
  const tries = 40;
  const guess = () =>
    person.submit(page, { email: `${randomUUID()}@example.com`, password: 'guessed', action: 'login' });
  const statuses: number[] = [];
  for (let done = 0; done < tries; done += 8)
    statuses.push(...(await Promise.all(Array.from({ length: 8 }, guess))).map(({ answer }) => answer.status));
  const throttled = statuses.filter((status) => status === 429).length;
  expect(throttled).toBe(tries - 10);
  const signIns = (await trail({ since: begin, type: 'user.signed_in' })).filter(({ address }) => address === from);
  // What was tried is recorded each time; what was turned away up to the bound.
  expect(signIns).toHaveLength(10 + PER_CLIENT);
  await endWindow();
  const counted = (await trail({ since: begin, type: 'user.signed_in' })).filter(({ detail }) => detail?.notRecorded);
  expect(sum(counted)).toBe(throttled - PER_CLIENT);
});

/** Does something 40 times, eight at a time. */
async function fortyTimes<T>(once: (nth: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let done = 0; done < 40; done += 8)
    results.push(...(await Promise.all(Array.from({ length: 8 }, (_, i) => once(done + i)))));
  return results;
}

describe('nor can what is refused at other doors (SP-37)', () => {
  const denied = async (type: string, from: string, begin: Date) =>
    (await trail({ since: begin, type })).filter(({ address, outcome }) => address === from && outcome === 'denied');

  test.each([
    ['introspect', '127.0.0.78'],
    ['revoke', '127.0.0.79'],
  ])('/%s: clients that nobody knows', async (path, from) => {
    const begin = server.now();
    const answers = await fortyTimes((nth) =>
      sendJson(`${server.issuer}/${path}`, {
        body: new URLSearchParams({ client_id: `nobody-${nth}`, client_secret: 'x', token: 'x' }),
        fromAddress: from,
      }),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    const recorded = await denied('client.authentication_failed', from, begin);
    expect(recorded.length).toBeGreaterThanOrEqual(PER_CLIENT);
    expect(recorded.length).toBeLessThan(40);
    await endWindow();
    const all = await denied('client.authentication_failed', from, begin);
    expect(recorded.length + sum(all)).toBe(40);
  });

  test('the forms at which somebody who is signed in shows that they know their password', async () => {
    const holder = await newHolder(server);
    const { person, who } = holder;
    const account = await person.open(`${server.issuer}/account`);
    const begin = server.now();
    const wrong = { current_password: 'guessed', password: 'a new password of somebody' };
    await fortyTimes((nth) =>
      nth % 2 ? askForToken(holder, wrong) : act(person, account, { path: '/password', ...wrong }),
    );
    await fortyTimes((nth) =>
      nth % 2 ? askForToken(holder, wrong) : act(person, account, { path: '/password', ...wrong }),
    );
    const own = async (type: string) => trail({ since: begin, type, subject: who.userId });
    const types = ['user.password_set', 'personal_access_token.issued'];
    const recorded = (await Promise.all(types.map(own))).flat();
    // Each password that was tried is recorded, and of what was turned away so much for each form.
    expect(recorded).toHaveLength(10 + 2 * PER_CLIENT);
    await endWindow();
    const all = (await Promise.all(types.map(own))).flat();
    expect(recorded.length + sum(all)).toBe(80);
  });
});
