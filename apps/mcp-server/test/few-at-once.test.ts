import { expect, test } from '@jest/globals';
import type { AnalyticsOutcome } from '../src/analytics/analytics.ts';
import { fewAtOnce } from '../src/analytics/few-at-once.ts';

const ANSWER: AnalyticsOutcome = { ok: true, table: { columns: [], rows: [], cut: false } };
const { signal } = new AbortController();
const ofUser = { running: 1, waiting: 2 };
const user = (i: number) => ({ subject: `user-${i}`, signal });

test('SP-30 two queries run at once, three wait, and what comes then is told to come again', async () => {
  const ends: (() => void)[] = [];
  let mostAtOnce = 0;
  let running = 0;
  const slow = {
    timeoutMs: 1000,
    async run(): Promise<AnalyticsOutcome> {
      mostAtOnce = Math.max(mostAtOnce, ++running);
      await new Promise<void>((resolve) => ends.push(resolve));
      running -= 1;
      return ANSWER;
    },
    close: async () => {},
  };
  const limited = fewAtOnce(slow, { running: 2, waiting: 3, ofUser });
  const outcomes = Array.from({ length: 8 }, (_, i) => limited.run('select 1', user(i)));
  const busy = { ok: false, refusal: { reason: 'busy' } };
  expect(await Promise.all(outcomes.slice(5))).toEqual([busy, busy, busy]);
  const finished = Promise.all(outcomes.slice(0, 5));
  for (let ended = 0; ended < 5; ended++) {
    while (ends.length === 0) await new Promise((resolve) => setImmediate(resolve));
    ends.shift()?.();
  }
  expect(await finished).toEqual(Array(5).fill(ANSWER));
  expect(mostAtOnce).toBe(2);
});

test('a query that fails gives its place back', async () => {
  const broken = { timeoutMs: 1000, run: () => Promise.reject(new Error('gone')), close: async () => {} };
  const limited = fewAtOnce(broken, { running: 1, waiting: 0, ofUser });
  for (let round = 0; round < 3; round++) await expect(limited.run('select 1', user(0))).rejects.toThrow('gone');
});

test('a query that is given up while it waits leaves its place in the queue', async () => {
  const first = Promise.withResolvers<AnalyticsOutcome>();
  const slow = { timeoutMs: 1000, run: () => first.promise, close: async () => {} };
  const limited = fewAtOnce(slow, { running: 1, waiting: 1, ofUser });
  const running = limited.run('select 1', user(0));
  const leaving = new AbortController();
  const gone = limited.run('select 1', { ...user(1), signal: leaving.signal });
  leaving.abort();
  expect(await gone).toEqual({ ok: false, refusal: { reason: 'took-too-long' } });
  const next = limited.run('select 1', user(2));
  first.resolve(ANSWER);
  expect(await Promise.all([running, next])).toEqual([ANSWER, ANSWER]);
  expect(await limited.run('select 1', user(0))).toEqual(ANSWER);
});

test('SP-30 one user has one query running and two waiting, and everybody else goes past them', async () => {
  const ends = new Map<string, () => void>();
  const slow = {
    timeoutMs: 1000,
    async run(statement: string): Promise<AnalyticsOutcome> {
      await new Promise<void>((resolve) => ends.set(statement, resolve));
      return ANSWER;
    },
    close: async () => {},
  };
  const begun = async (...statements: string[]) => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([...ends.keys()]).toEqual(statements);
  };
  const limited = fewAtOnce(slow, { running: 2, waiting: 16, ofUser });
  const run = (statement: string, i: number) => limited.run(statement, user(i));
  const flood = Array.from({ length: 20 }, (_, i) => run(`flood ${i}`, 1));
  expect(await Promise.all(flood.slice(3))).toEqual(Array(17).fill({ ok: false, refusal: { reason: 'busy' } }));
  const others = [run('second', 2), run('third', 3)];
  await begun('flood 0', 'second');
  ends.get('second')?.();
  await begun('flood 0', 'second', 'third');
  ends.get('flood 0')?.();
  await begun('flood 0', 'second', 'third', 'flood 1');
  ends.get('flood 1')?.();
  await begun('flood 0', 'second', 'third', 'flood 1', 'flood 2');
  for (const end of ends.values()) end();
  expect(await Promise.all([...flood.slice(0, 3), ...others])).toEqual(Array(5).fill(ANSWER));
});
