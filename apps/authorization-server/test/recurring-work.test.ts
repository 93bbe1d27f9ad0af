import { expect, test } from '@jest/globals';
import { repeat } from '../src/recurring-work.ts';

/** Work that ends when it is let, and says how often it was begun. */
function work(times: number) {
  let begun = 0;
  let running = 0;
  let most = 0;
  let reached = () => {};
  const done = new Promise<void>((resolve) => {
    reached = resolve;
  });
  return {
    done,
    most: () => most,
    begun: () => begun,
    async run() {
      begun += 1;
      running += 1;
      most = Math.max(most, running);
      if (begun >= times) reached();
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (begun % 2 === 0) throw new Error('the database is away');
    },
  };
}

test('SP-5: is done again and again, never twice at once, and also after it has failed', async () => {
  const cleaning = work(20);
  const faults: unknown[] = [];
  const end = repeat({ intervalMs: 0, work: () => cleaning.run(), onFault: (cause) => faults.push(cause) });
  await cleaning.done;
  await end();
  expect(cleaning.most()).toBe(1);
  expect(faults.length).toBeGreaterThanOrEqual(9);
});

test('SP-5: two that are started together are not done together', async () => {
  const order: string[] = [];
  let both = () => {};
  const done = new Promise<void>((resolve) => {
    both = resolve;
  });
  const replica = (name: string, random: () => number) =>
    repeat({
      intervalMs: 400,
      random,
      onFault: () => {},
      work: async () => {
        order.push(name);
        if (name === 'late') both();
      },
    });
  const ends = [replica('late', () => 0.9), replica('early', () => 0.05)];
  await done;
  await Promise.all(ends.map((end) => end()));
  expect(order[0]).toBe('early');
});

test('ends what waits at once, and waits for what has begun', async () => {
  const never = work(1);
  await repeat({ intervalMs: 3_600_000, work: () => never.run(), onFault: () => {} })();
  expect(never.begun()).toBe(0);
});
