import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createGrantStore } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import fc from 'fast-check';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { createHttpPerson } from '../../src/index.ts';
import { registerClient, type Target, type TestClient, targetOf, tokensOf } from './support/authorization.ts';
import { type AroundTransaction, type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';
import { beginFamily, countTokens, refresh } from './support/refreshing.ts';

const GRACE_SECONDS = 120;
/** No sum of these comes near the grace, so that the time that a run takes by itself decides nothing. */
const WAIT_SECONDS = 50;
const FORGETTING_SECONDS = 200;

let testDatabase: TestDatabase;
/** Where people sign in; its clock stays where it is. */
let signIn: InProcess;
/** Where tokens are refreshed, with a clock that goes on. */
let server: InProcess;
let target: Target;
let there: Pick<Target, 'server'>;
let client: TestClient;
let person: HttpPerson;
let aroundTransaction: AroundTransaction = (run) => run();

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  signIn = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
  server = await startInProcess({
    databaseUrl: testDatabase.url,
    issuer: signIn.issuer,
    aroundTransaction: (run) => aroundTransaction(run),
  });
  target = await targetOf(signIn);
  there = { server: { ...target.server, token_endpoint: `http://localhost:${server.port}/token` } };
  client = await registerClient(target);
  person = createHttpPerson();
});
afterAll(async () => {
  await server?.close();
  await signIn?.close();
  await testDatabase?.drop();
});

const present = (token: string): Promise<JsonAnswer> =>
  refresh(there, client, { token, raw: { headers: { host: new URL(signIn.issuer).host } } });

/** What a run does next; a client always presents the newest token that it was told of. */
type Step =
  /** So many requests at once, of which the first one's commit goes wrong as `fate` says. */
  | { kind: 'refresh'; parallel: number; fate: Fate }
  /** The client presents a token from before the newest. */
  | { kind: 'ancestor'; age: number }
  | { kind: 'wait'; seconds: number }
  /** After so long that every rotated token is cleaned away; what becomes of it stays the same. */
  | { kind: 'clean' }
  | { kind: 'revoke' };

/** What becomes of a request: answered; answered in vain; dead before, or after, what it writes is durable. */
type Fate = 'answered' | 'lost' | 'dies_before_commit' | 'dies_after_commit';

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('refresh' as const),
      parallel: fc.integer({ min: 1, max: 4 }),
      fate: fc.constantFrom<Fate>('answered', 'lost', 'dies_before_commit', 'dies_after_commit'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ancestor' as const), age: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'wait' as const, seconds: WAIT_SECONDS }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'clean' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'revoke' as const }) },
);

/** A family as it should be: when each token but the head was rotated, in seconds of the run. */
type Model = { rotatedAt: number[]; revoked: boolean; now: number };

/** What presenting the token with this index comes to, and what it does to the family. */
function presentToModel(model: Model, index: number): 'head' | 'replay' | 'refused' {
  if (model.revoked) return 'refused';
  const head = model.rotatedAt.length;
  if (index === head) {
    model.rotatedAt.push(model.now);
    return 'head';
  }
  if (model.now >= (model.rotatedAt[index] ?? 0) + GRACE_SECONDS) {
    model.revoked = true;
    return 'refused';
  }
  return index === head - 1 ? 'replay' : 'refused';
}

/** Lets the first transaction of a step go wrong, and all others be. */
function firstCommit(fate: Fate): AroundTransaction {
  let spoilt = fate === 'answered' || fate === 'lost';
  return async (run) => {
    if (spoilt) return run();
    spoilt = true;
    if (fate === 'dies_after_commit') await run();
    throw new Error('the process is gone');
  };
}

class Run {
  readonly model: Model = { rotatedAt: [], revoked: false, now: 0 };
  readonly grantId: string;
  /** Every token of the family that anybody was told of, by its index; a lost one is learnt by its replay. */
  readonly tokens: string[];
  /** The index of the newest token that the client was told of. */
  known = 0;

  constructor(family: { grantId: string; refresh: string }) {
    this.grantId = family.grantId;
    this.tokens = [family.refresh];
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'wait':
        server.pass(step.seconds);
        this.model.now += step.seconds;
        return;
      case 'clean':
        server.pass(FORGETTING_SECONDS);
        this.model.now += FORGETTING_SECONDS;
        await server.forgetAnswers();
        await server.clean();
        return;
      case 'revoke':
        await createGrantStore(signIn.database).revoke({ id: this.grantId, now: server.now() });
        this.model.revoked = true;
        return;
      case 'ancestor':
        return this.expectVerdict(Math.max(0, this.known - step.age));
      case 'refresh':
        return this.refresh(step);
    }
  }

  /** Presents one token, and expects what the model says; the answer is not the client's to keep. */
  private async expectVerdict(index: number): Promise<void> {
    const verdict = presentToModel(this.model, index);
    const answer = await present(this.tokens[index] ?? '');
    expect(answer.status).toBe(verdict === 'refused' ? 400 : 200);
    if (verdict !== 'refused') this.learn(index + 1, answer);
  }

  private async refresh({ parallel, fate }: { parallel: number; fate: Fate }): Promise<void> {
    const wasHead = !this.model.revoked && this.known === this.model.rotatedAt.length;
    // A rotation is to die; where there is none, reuse is judged, whose commit is another matter.
    aroundTransaction = firstCommit(wasHead ? fate : 'answered');
    const token = this.tokens[this.known] ?? '';
    const answers = await Promise.all(Array.from({ length: parallel }, () => present(token)));
    aroundTransaction = (run) => run();
    const dies = wasHead && (fate === 'dies_before_commit' || fate === 'dies_after_commit');
    // Where the only request dies before it commits, nothing has happened.
    const verdict =
      dies && parallel === 1 && fate === 'dies_before_commit' ? undefined : presentToModel(this.model, this.known);
    const good = answers.filter(({ status }) => status === 200);
    const dead = answers.filter(({ status }) => status === 500);
    // Of several, the one that is to die after its commit may be none that commits.
    const maySurvive = fate === 'dies_after_commit' && parallel > 1;
    if (!dies || !maySurvive) expect(dead).toHaveLength(dies ? 1 : 0);
    expect(good).toHaveLength(verdict === 'refused' ? 0 : parallel - dead.length);
    for (const answer of good) this.learn(this.known + 1, answer);
    if (good.length > 0 && fate !== 'lost') this.known += 1;
  }

  private learn(index: number, answer: JsonAnswer): void {
    const { refresh: token } = tokensOf(answer);
    this.tokens[index] ??= token;
    expect(token).toBe(this.tokens[index]);
  }

  /** One head, or none; whoever only retries in time gets on; and the oldest token is what it is, row or no row. */
  async end(): Promise<void> {
    for (const index of [this.known, 0]) {
      expect((await countTokens(server.database, this.grantId)).heads).toBe(this.model.revoked ? 0 : 1);
      await this.expectVerdict(index);
    }
    expect((await countTokens(server.database, this.grantId)).heads).toBe(this.model.revoked ? 0 : 1);
  }
}

test('SP-10: refreshes, retries, lost answers, deaths, waits, cleanings and revocations in any order do to a family what the model says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const run = new Run(await beginFamily(target, client, { person }));
      for (const next of steps) await run.take(next);
      await run.end();
    }),
    { numRuns: rounds(50) },
  );
}, 600_000);

test('SP-10: a request that lost the race while the successor was used already is refused, and ends nothing', async () => {
  const { refresh: first } = await beginFamily(target, client, { person });
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held = new Promise<void>((resolve) => {
    aroundTransaction = async (run) => {
      aroundTransaction = (others) => others();
      resolve();
      await released;
      return run();
    };
  });
  const late = present(first);
  await held;
  const { refresh: second } = tokensOf(await present(first));
  const { refresh: third } = tokensOf(await present(second));
  release();
  expect((await late).status).toBe(400);
  expect(tokensOf(await present(second)).refresh).toBe(third);
});

/** What requests and a revocation do at once; the scheduler decides whose commit comes when. */
type Actor = 'refreshes' | 'retries' | 'dies' | 'revokes';

test('SP-10: commits in any order leave one head at most, and nobody who retries is locked out', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.constantFrom<Actor>('refreshes', 'retries', 'dies', 'refreshes', 'retries', 'revokes'), {
        minLength: 2,
        maxLength: 6,
      }),
      async (scheduler, actors) => {
        const { grantId, refresh: first } = await beginFamily(target, client, { person });
        const { refresh: second } = tokensOf(await present(first));
        let deaths = actors.filter((actor) => actor === 'dies').length;
        aroundTransaction = async (run) => {
          await scheduler.schedule(Promise.resolve(), 'commit');
          if (deaths-- > 0) throw new Error('the process is gone');
          return run();
        };
        const acting = actors.map(async (actor) => {
          if (actor === 'revokes') {
            await scheduler.schedule(Promise.resolve(), 'revoke');
            await createGrantStore(signIn.database).revoke({ id: grantId, now: new Date() });
            return undefined;
          }
          return {
            token: actor === 'retries' ? first : second,
            answer: await present(actor === 'retries' ? first : second),
          };
        });
        const outcomes = await scheduler.waitFor(Promise.all(acting));
        aroundTransaction = (run) => run();

        const successors = outcomes.flatMap((outcome) =>
          outcome?.token === second && outcome.answer.status === 200 ? [tokensOf(outcome.answer).refresh] : [],
        );
        expect(new Set(successors).size).toBeLessThanOrEqual(1);
        for (const outcome of outcomes) {
          if (outcome?.token === first && outcome.answer.status === 200)
            expect(tokensOf(outcome.answer).refresh).toBe(second);
        }
        const { heads } = await countTokens(server.database, grantId);
        expect(heads).toBe(actors.includes('revokes') ? 0 : 1);
        const last = await present(second);
        expect(last.status).toBe(actors.includes('revokes') ? 400 : 200);
        for (const successor of successors) if (last.status === 200) expect(tokensOf(last).refresh).toBe(successor);
      },
    ),
    { numRuns: rounds(50) },
  );
}, 600_000);
