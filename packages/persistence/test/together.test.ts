import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { together } from '../src/statements/together.ts';

/** Answers with what was asked and what was true when the question left; each question waits until it is let go. */
function asking(stalledMs?: number) {
  const questions: { parts: readonly string[]; answer(): void; fail(cause: Error): void }[] = [];
  const world = { state: 'old' };
  const all = (parts: readonly string[]) =>
    new Promise<string[]>((resolve, reject) => {
      const seen = world.state;
      questions.push({ parts, answer: () => resolve(parts.map((part) => `${part} ${seen}`)), fail: reject });
    });
  const alone = () => Promise.reject(new Error('nobody is asked alone'));
  const one = together({ all, alone }, stalledMs);
  return { one, questions, world };
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!isTrue() && Date.now() < deadline) await nextTurn();
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
}

test('whoever comes while a question is on its way is part of the next one, and never of that', async () => {
  const { one, questions, world } = asking();
  const first = [one('a'), one('b')];
  await turns();
  expect(questions.map(({ parts }) => parts)).toEqual([['a', 'b']]);
  world.state = 'new';
  const later = [one('a'), one('c')];
  await turns();
  questions[0]?.answer();
  await turns();
  expect(questions.map(({ parts }) => parts)).toEqual([
    ['a', 'b'],
    ['a', 'c'],
  ]);
  questions[1]?.answer();
  expect(await Promise.all([...first, ...later])).toEqual(['a old', 'b old', 'a new', 'c new']);
});

test('a question that gets no answer keeps nobody waiting for long, though nobody else comes', async () => {
  const { one, questions } = asking(20);
  const lost = one('lost');
  await turns();
  const patient = [one('a'), one('b')];
  await turns();
  expect(questions).toHaveLength(1);
  await until(() => questions.length > 1);
  expect(questions.map(({ parts }) => parts)).toEqual([['lost'], ['a', 'b']]);
  questions[1]?.answer();
  expect(await Promise.all(patient)).toEqual(['a old', 'b old']);
  const later = one('c');
  await until(() => questions.length > 2);
  questions[2]?.answer();
  expect(await later).toBe('c old');
  questions[0]?.answer();
  expect(await lost).toBe('lost old');
});

test('a question that fails fails for those who share it, and the next one is asked', async () => {
  const { one, questions } = asking();
  const both = Promise.allSettled([one('a'), one('b')]);
  await turns();
  questions[0]?.fail(new Error('the connection is gone'));
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const next = one('c');
  await turns();
  questions[1]?.answer();
  expect(await next).toBe('c old');
});

test('where the database refuses what one part holds, the others hear nothing of it', async () => {
  const refused = Object.assign(new pg.DatabaseError('out of range', 0, 'error'), { code: '22003' });
  const one = together({
    all: (): Promise<number[]> => Promise.reject(refused),
    alone: async (part: number) => {
      if (part === 2) throw refused;
      return part;
    },
  });
  const results = await Promise.allSettled([1, 2, 3].map(one));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('more than fit into one question are asked in several', async () => {
  const sizes: number[] = [];
  const one = together({
    all: async (parts: readonly number[]) => {
      sizes.push(parts.length);
      return parts;
    },
    alone: async (part) => part,
  });
  const all = Array.from({ length: 250 }, (_, index) => index);
  expect(await Promise.all(all.map(one))).toEqual(all);
  expect(sizes).toEqual([100, 100, 50]);
});
