import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';

/** How many share a question at most. */
const MOST = 100;

/** For how long the last question may be on its way before the next one leaves beside it: its connection may be dead. */
const STALLED_MS = 500;

type Waiting<One, Answer> = { one: One; resolve(answer: Answer | Promise<Answer>): void; reject(cause: unknown): void };

/** How something is asked for: for several in their order, and for one. */
export type Asking<One, Answer> = {
  all(parts: readonly One[]): Promise<readonly Answer[]>;
  alone(part: One): Promise<Answer>;
};

/**
 * Lets several share a trip to PostgreSQL: whoever comes in the same turn of the event loop, or while the last question is
 * on its way, is part of the next one. A question leaves after all of its parts have come, so that no answer is from before
 * whoever gets it asked. Where one of several is refused for what a part holds, each part is asked alone.
 *
 * @param nowMs milliseconds that only go on
 */
export function together<One, Answer>(
  { all, alone }: Asking<One, Answer>,
  nowMs = () => performance.now(),
): (one: One) => Promise<Answer> {
  const waiting: Waiting<One, Answer>[] = [];
  let asking = 0;
  let leftMs = 0;

  const answersOf = async (parts: readonly One[]): Promise<readonly (Answer | Promise<Answer>)[]> => {
    try {
      return await all(parts);
    } catch (cause) {
      if (parts.length === 1 || !isAboutValues(cause)) throw cause;
      return parts.map(alone);
    }
  };
  const askAll = async () => {
    asking += 1;
    while (waiting.length > 0) {
      leftMs = nowMs();
      await nextTurn();
      const parts = waiting.splice(0, MOST);
      try {
        const answers = await answersOf(parts.map(({ one }) => one));
        for (const [index, { resolve }] of parts.entries()) resolve(answers[index] as Answer);
      } catch (cause) {
        for (const { reject } of parts) reject(cause);
      }
    }
    asking -= 1;
  };

  return (one) =>
    new Promise((resolve, reject) => {
      waiting.push({ one, resolve, reject });
      if (asking === 0 || nowMs() - leftMs > STALLED_MS) void askAll();
    });
}

/** PostgreSQL's error classes for what values hold: data exception, and integrity constraint violation. Nothing was done then. */
const ABOUT_VALUES = new Set(['22', '23']);

function isAboutValues(cause: unknown): boolean {
  return cause instanceof pg.DatabaseError && cause.code !== undefined && ABOUT_VALUES.has(cause.code.slice(0, 2));
}
