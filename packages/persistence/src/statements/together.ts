import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';

/** How many share a question at most. */
const MOST = 100;

const STALLED_MS = 500;

type Waiting<One, Answer> = { one: One; resolve(answer: Answer | Promise<Answer>): void; reject(cause: unknown): void };

/** How something is asked for: for several in their order, some of whom may have to wait longer; and for one. */
export type Asking<One, Answer> = {
  all(parts: readonly One[]): Promise<readonly (Answer | Promise<Answer>)[]>;
  alone(part: One): Promise<Answer>;
};

/**
 * Lets several share a trip to PostgreSQL: whoever comes in the same turn of the event loop, or while the last question is
 * on its way, is part of the next one. A question leaves after all of its parts have come, so that no answer is from before
 * whoever gets it asked. Where one of several is refused for what a part holds, each part is asked alone.
 *
 * @param stalledMs for how long the last question may be on its way before the next one leaves beside it, because its
 *   connection may be dead; half a second by default
 */
export function together<One, Answer>(
  { all, alone }: Asking<One, Answer>,
  stalledMs = STALLED_MS,
): (one: One) => Promise<Answer> {
  const waiting: Waiting<One, Answer>[] = [];
  let asking = false;

  const answersOf = async (parts: readonly One[]) => {
    try {
      return await all(parts);
    } catch (cause) {
      if (parts.length === 1 || !isAboutValues(cause)) throw cause;
      return parts.map(alone);
    }
  };
  const ask = async (parts: readonly Waiting<One, Answer>[]) => {
    try {
      const answers = await answersOf(parts.map(({ one }) => one));
      for (const [index, { resolve }] of parts.entries()) resolve(answers[index] as Answer);
    } catch (cause) {
      for (const { reject } of parts) reject(cause);
    }
  };
  const askAll = async () => {
    asking = true;
    while (waiting.length > 0) {
      await nextTurn();
      await answeredOrStalled(ask(waiting.splice(0, MOST)), stalledMs);
    }
    asking = false;
  };

  return (one) =>
    new Promise((resolve, reject) => {
      waiting.push({ one, resolve, reject });
      if (!asking) void askAll();
    });
}

async function answeredOrStalled(asked: Promise<void>, stalledMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, stalledMs);
  });
  await Promise.race([asked, stalled]);
  clearTimeout(timer);
}

/** PostgreSQL's error classes for what values hold: data exception, and integrity constraint violation. Nothing was done then. */
const ABOUT_VALUES = new Set(['22', '23']);

function isAboutValues(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && cause.code !== undefined && ABOUT_VALUES.has(cause.code.slice(0, 2));
}
