import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type ProcessUsage, usageOf } from './process-usage.ts';

/** A program of ours that runs as a process of its own and is told things. */
export type ChildProgram<Ready> = {
  pid: number;
  /** What it said when it was ready. */
  ready: Ready;
  usage(): ProcessUsage;
  /** Sends a message, and waits for the answer to it. @throws Error when it says `{ fault }`, or ends */
  ask<Answer>(message: unknown): Promise<Answer>;
  stop(): Promise<void>;
};

/**
 * Starts `processes/<name>.js`, or another file, and waits for its first message. `about` is handed over as JSON, as its
 * first argument. It ends when this process does.
 */
export async function startProgram<Ready>(
  name: string,
  about: unknown,
  file = new URL(`./processes/${name}.js`, import.meta.url),
): Promise<ChildProgram<Ready>> {
  const child = fork(file, [JSON.stringify(about)], {
    execArgv: name === 'load-generator' ? [] : profilingOptions(),
  });
  const ready = await answerOf<Ready>(child, name);
  // One question at a time: answers have no names.
  let asked: Promise<unknown> = Promise.resolve();
  const next = async <Answer>(message: unknown, before: Promise<unknown>): Promise<Answer> => {
    await before.catch(() => undefined);
    child.send(message as object);
    return answerOf(child, name);
  };
  return {
    pid: child.pid ?? 0,
    ready,
    usage: () => usageOf(child.pid ?? 0),
    ask<Answer>(message: unknown) {
      const answer = next<Answer>(message, asked);
      asked = answer;
      return answer;
    },
    async stop() {
      const ended = once(child, 'exit');
      if (child.connected) child.disconnect();
      if (child.exitCode === null) await ended;
    },
  };
}

let profiledFolder: string | undefined;

/** From now on programs write a profile of their processor time into a folder when they end. */
export function profileInto(folder: string): void {
  profiledFolder = folder;
}

/** What makes Node.js write such a profile; empty where none is wanted. */
export function profilingOptions(): string[] {
  if (profiledFolder === undefined) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${profiledFolder}`, '--cpu-prof-interval=200'];
}

async function answerOf<Answer>(child: ChildProcess, name: string): Promise<Answer> {
  const waiting = new AbortController();
  const { signal } = waiting;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${name} has ended (code ${code})`);
  });
  ended.catch(() => undefined);
  try {
    const [answer] = (await Promise.race([once(child, 'message', { signal }), ended])) as [Answer | { fault: string }];
    if (typeof answer === 'object' && answer !== null && 'fault' in answer) throw new Error(`${name}: ${answer.fault}`);
    return answer as Answer;
  } finally {
    waiting.abort();
  }
}
