import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rounds } from '@portcullis/test-database';
import { codeExchange, obtainCode, redeem, tokensOf } from './support/authorization.ts';
import { beginFamily, countTokens, grantIdOf, refresh, refreshRequest, verdictOf } from './support/refreshing.ts';
import { type Replicas, startOne, startTwo } from './support/replicas.ts';

const CONTENDERS = 8;

/** Eight requests with one code: one gets tokens, seven are refused, and the tokens are good afterwards. */
async function raceForCode({ target, client, person, database, atOnce }: Replicas): Promise<void> {
  for (let round = 0; round < rounds(200); round++) {
    const code = await obtainCode(target, client, { person });
    const answers = await atOnce(CONTENDERS, () => codeExchange(target, client, code));
    const [winner, ...others] = answers.filter(({ status }) => status === 200);
    const losers = answers.filter(({ status }) => status !== 200);
    expect(losers.map(verdictOf)).toEqual(Array(CONTENDERS - 1).fill([400, 'invalid_grant']));
    if (!winner) throw new Error('nobody won');
    expect(others).toHaveLength(0);
    const won = tokensOf(winner);
    expect((await refresh(target, client, { token: won.refresh })).status).toBe(200);
    expect(await database.prisma.grant.count({ where: { id: grantIdOf(won.access) } })).toBe(1);
  }
}

describe.each([
  ['one server', startOne],
  ['two replicas on one database', startTwo],
])('%s, with the grace on', (_name, start) => {
  let replicas: Replicas;
  beforeAll(async () => {
    replicas = await start();
  });
  afterAll(() => replicas?.stop());

  test(
    'AS-10: of eight simultaneous uses of a code exactly one gets tokens, and the grant stays alive',
    () => raceForCode(replicas),
    600_000,
  );

  test('AS-10: a later use, with all that belongs to the code, is refused and ends the grant', async () => {
    const { target, client, person, database } = replicas;
    const code = await obtainCode(target, client, { person });
    const { access, refresh: token } = tokensOf(await redeem(target, client, { code }));
    const guessed = await redeem(target, client, { code, changes: { code_verifier: 'x'.repeat(43) } });
    expect(verdictOf(guessed)).toEqual([400, 'invalid_grant']);
    const { refresh: next } = tokensOf(await refresh(target, client, { token }));
    expect(verdictOf(await redeem(target, client, { code }))).toEqual([400, 'invalid_grant']);
    expect(verdictOf(await refresh(target, client, { token: next }))).toEqual([400, 'invalid_grant']);
    expect(await database.prisma.grant.count({ where: { id: grantIdOf(access) } })).toBe(0);
  });

  test('SP-10: eight simultaneous refreshes are one rotation, and all get the identical refresh token', async () => {
    const { target, client, person, database, atOnce } = replicas;
    const family = await beginFamily(target, client, { person });
    let token = family.refresh;
    const played = rounds(200);
    for (let round = 0; round < played; round++) {
      const answers = await atOnce(CONTENDERS, () => refreshRequest(client, token));
      expect(answers.map(({ status }) => status)).toEqual(Array(CONTENDERS).fill(200));
      const tokens = answers.map(tokensOf);
      expect(new Set(tokens.map(({ refresh }) => refresh)).size).toBe(1);
      expect(new Set(tokens.map(({ access }) => access)).size).toBe(1);
      token = tokens[0]?.refresh ?? '';
    }
    expect(await countTokens(database, family.grantId)).toEqual({ all: played + 1, heads: 1 });
  }, 600_000);
});

describe.each([
  ['one server', startOne],
  ['two replicas on one database', startTwo],
])('%s, with the grace off', (_name, start) => {
  let replicas: Replicas;
  beforeAll(async () => {
    replicas = await start({ PORTCULLIS_REFRESH_GRACE: '0' });
  });
  afterAll(() => replicas?.stop());

  test('AS-19: of eight simultaneous refreshes exactly one gets tokens', async () => {
    const { target, client, person, database, atOnce } = replicas;
    for (let round = 0; round < rounds(50); round++) {
      const { grantId, refresh } = await beginFamily(target, client, { person });
      const answers = await atOnce(CONTENDERS, () => refreshRequest(client, refresh));
      const losers = answers.filter(({ status }) => status !== 200);
      expect(losers.map(verdictOf)).toEqual(Array(CONTENDERS - 1).fill([400, 'invalid_grant']));
      expect((await countTokens(database, grantId)).heads).toBeLessThanOrEqual(1);
    }
  }, 600_000);
});
