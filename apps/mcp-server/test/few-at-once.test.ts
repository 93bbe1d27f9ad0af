import { expect, test } from '@jest/globals';
import type { AnalyticsOutcome } from '../src/analytics/analytics.ts';
import { fewAtOnce } from '../src/analytics/few-at-once.ts';

const ANSWER: AnalyticsOutcome = { ok: true, table: { columns: [], rows: [], cut: false } };
const { signal } = new AbortController();

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
  const limited = fewAtOnce(slow, { running: 2, waiting: 3 });
  const outcomes = Array.from({ length: 8 }, () => limited.run('select 1', signal));
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
  const limited = fewAtOnce(broken, { running: 1, waiting: 0 });
  for (let round = 0; round < 3; round++) await expect(limited.run('select 1', signal)).rejects.toThrow('gone');
});

test('a query that is given up while it waits leaves its place in the queue', async () => {
  const first = Promise.withResolvers<AnalyticsOutcome>();
  const slow = { timeoutMs: 1000, run: () => first.promise, close: async () => {} };
  const limited = fewAtOnce(slow, { running: 1, waiting: 1 });
  const running = limited.run('select 1', signal);
  const leaving = new AbortController();
  const gone = limited.run('select 1', leaving.signal);
  leaving.abort();
  expect(await gone).toEqual({ ok: false, refusal: { reason: 'took-too-long' } });
  const next = limited.run('select 1', signal);
  first.resolve(ANSWER);
  expect(await Promise.all([running, next])).toEqual([ANSWER, ANSWER]);
  expect(await limited.run('select 1', signal)).toEqual(ANSWER);
});
