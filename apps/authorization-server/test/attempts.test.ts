import { describe, expect, test } from '@jest/globals';
import type { Counter } from '@portcullis/persistence';
import { type Attempt, createAttempts } from '../src/http/attempts.ts';
import type { Allowance, FailureLimit } from '../src/http/failure-limit.ts';

const MINUTE_MS = 60_000;

/** A limit of so many failures whose counter is at hand. */
function limitOf(failures: number, counter: Counter = { points: 0, expire: new Date(Date.now() + MINUTE_MS) }) {
  const left = (read: Counter | undefined) =>
    !read || (read.expire && read.expire <= new Date()) ? failures : Math.max(0, failures - read.points);
  const judge = (read: Counter | undefined): Allowance =>
    left(read) > 0 ? { allowed: true } : { allowed: false, retryAfterSeconds: 1, first: false };
  const limit: FailureLimit = {
    left,
    judge,
    storedKey: (key) => key,
    read: async () => ({ ...counter }),
    check: async () => judge(counter),
    async count() {
      counter.points++;
      return { ...counter };
    },
    take: async () => judge(counter),
    async giveBack() {
      counter.points--;
    },
  };
  return { ...createAttempts(limit), counter };
}

/** Begins so many, with what the counter was at that moment. */
async function waitingFor(attempts: ReturnType<typeof limitOf>, count: number): Promise<[Attempt, Promise<boolean>][]> {
  const ahead = { counter: { ...attempts.counter } };
  return Array.from({ length: count }, () => {
    const attempt = attempts.begin('client');
    return [attempt, attempt.admit(ahead).then(({ allowed }) => allowed)];
  });
}

const PENDING = Symbol('pending');
const soFar = (answer: Promise<boolean>) => Promise.race([answer, new Promise((r) => setImmediate(r, PENDING))]);

describe('tries under a limit of failures (SP-39a)', () => {
  test('as many are let through as failures are left; the next waits, takes a place that is given back, and is refused when none will be', async () => {
    const [one, two, three, four] = await waitingFor(limitOf(2), 4);
    if (!one || !two || !three || !four) throw new Error('four were begun');
    expect(await Promise.all([one, two, three].map(([, answer]) => soFar(answer)))).toEqual([true, true, PENDING]);
    one[0].passed();
    expect([await three[1], await soFar(four[1])]).toEqual([true, PENDING]);
    await two[0].failed();
    expect(await soFar(four[1])).toBe(PENDING);
    await three[0].failed();
    expect(await four[1]).toBe(false);
  });

  test('what failed meanwhile counts against one that had read the counter before', async () => {
    const attempts = limitOf(2);
    const late = attempts.begin('client');
    const read = { counter: { ...attempts.counter } };
    for (const [attempt, answer] of await waitingFor(attempts, 2)) {
      await answer;
      await attempt.failed();
      attempt.end();
    }
    expect((await late.admit(read)).allowed).toBe(false);
  });

  test('failures whose counts come back in another order all count', async () => {
    const attempts = limitOf(4);
    const held: (() => void)[] = [];
    const { count } = attempts.limit;
    attempts.limit.count = async (key) => {
      const counter = await count(key);
      await new Promise<void>((resolve) => held.push(resolve));
      return counter;
    };
    const [one, two, three, , five] = await waitingFor(attempts, 5);
    if (!one || !two || !three || !five) throw new Error('five were begun');
    const failing = [one, two, three].map(([attempt]) => attempt.failed());
    await new Promise(setImmediate);
    for (const release of held.reverse()) release();
    await Promise.all(failing);
    expect(await soFar(five[1])).toBe(PENDING);
  });

  test('one that ends without a word gives its place back, and only once', async () => {
    const [one, two, three] = await waitingFor(limitOf(1), 3);
    if (!one || !two || !three) throw new Error('three were begun');
    await one[1];
    one[0].passed();
    one[0].end();
    expect([await two[1], await soFar(three[1])]).toEqual([true, PENDING]);
    two[0].end();
    expect(await three[1]).toBe(true);
  });

  test('failures of a window that is over count no more', async () => {
    const attempts = limitOf(1, { points: 5, expire: new Date(Date.now() - 1) });
    const [one] = await waitingFor(attempts, 1);
    expect(await one?.[1]).toBe(true);
  });

  test('other keys are unaffected', async () => {
    const attempts = limitOf(1);
    expect((await attempts.begin('client').admit()).allowed).toBe(true);
    expect((await attempts.begin('other').admit()).allowed).toBe(true);
  });
});
