import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer, Stack } from '../../src/index.ts';
import { createHttpPerson, requestToken, startStack } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { codeExchange, obtainCode, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import type { Replica } from './support/replica.ts';
import { startReplica } from './support/replica.ts';

const CONTENDERS = 8;

type Contest = { target: Target; client: TestClient; person: HttpPerson };

/** Sends one request eight times at once, to the issuer and to the other ports in turn. */
function allAtOnce(
  { target }: Contest,
  params: Record<string, string | undefined>,
  ports: readonly number[],
): Promise<JsonAnswer[]> {
  const { host } = new URL(target.server.issuer);
  const endpoints = ports.map((port) => ({ ...target.server, token_endpoint: `http://localhost:${port}/token` }));
  return Promise.all(
    Array.from({ length: CONTENDERS }, (_, i) =>
      requestToken(endpoints[i % endpoints.length] ?? target.server, params, { headers: { host } }),
    ),
  );
}

function expectOneWinner(answers: JsonAnswer[]): JsonAnswer[] {
  const winners = answers.filter(({ status }) => status === 200);
  const losers = answers.filter(({ status }) => status !== 200);
  expect(losers.map(({ status, json }) => [status, json?.error])).toEqual(
    Array(CONTENDERS - 1).fill([400, 'invalid_grant']),
  );
  expect(winners).toHaveLength(1);
  return winners;
}

async function raceForCode(contest: Contest, ports: readonly number[]): Promise<void> {
  const { target, client, person } = contest;
  for (let round = 0; round < rounds(50); round++) {
    const code = await obtainCode(target, client, { person });
    expectOneWinner(await allAtOnce(contest, codeExchange(target, client, code), ports));
  }
}

async function raceForRefresh(contest: Contest, ports: readonly number[]): Promise<void> {
  const { target, client, person } = contest;
  for (let round = 0; round < rounds(50); round++) {
    const code = await obtainCode(target, client, { person });
    const { refresh } = tokensOf(await requestToken(target.server, codeExchange(target, client, code)));
    const answers = await allAtOnce(
      contest,
      { grant_type: 'refresh_token', refresh_token: refresh, client_id: client.id },
      ports,
    );
    // Which of them is first is a matter of luck; that two are is the attack.
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
  }
}

describe('one server', () => {
  let stack: Stack;
  let contest: Contest;
  let port: number;

  beforeAll(async () => {
    stack = await startStack({ authorizationServer: OWNER_ENV });
    const target = await targetOf(stack);
    contest = { target, client: await registerClient(target), person: createHttpPerson() };
    port = Number(new URL(stack.issuer).port);
  });
  afterAll(() => stack?.stop());

  test('AS-10: of eight simultaneous uses of a code exactly one gets tokens', () => raceForCode(contest, [port]));

  test('AS-19: of eight simultaneous uses of a refresh token no two get tokens', () => raceForRefresh(contest, [port]));
});

describe('two replicas on one database', () => {
  let testDatabase: TestDatabase | undefined;
  let first: InProcess | Stack;
  let second: InProcess | Replica;
  let contest: Contest;
  let ports: number[];

  beforeAll(async () => {
    if (globalThis.portcullisTestDatabase === 'postgresql') {
      // Two processes, each with a data folder of its own, as behind a load balancer.
      const stack = await startStack({
        authorizationServer: { ...OWNER_ENV, PORTCULLIS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64url') },
      });
      first = stack;
      second = await startReplica(stack);
    } else {
      // A second process on the same SQLite folder is refused; two connections stand in for it.
      testDatabase = await createTestDatabase();
      const one = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
      first = one;
      second = await startInProcess({ databaseUrl: testDatabase.url, issuer: one.issuer });
    }
    const target = await targetOf(first);
    contest = { target, client: await registerClient(target), person: createHttpPerson() };
    ports = [Number(new URL(first.issuer).port), second.port];
  });
  afterAll(async () => {
    if (second) await ('close' in second ? second.close() : second.stop());
    if (first) await ('close' in first ? first.close() : first.stop());
    await testDatabase?.drop();
  });

  test('AS-10: exactly one of eight uses of a code wins', () => raceForCode(contest, ports));

  test('AS-19: no two of eight uses of a refresh token win', () => raceForRefresh(contest, ports));
});
