import { expect } from '@jest/globals';
import { startServerProcess } from '../../../src/server-process.ts';

/** How a start ended that could not work. */
export type FailedStart = { code: number | null; lines: string[]; output: string };

/** Starts a program and waits for its end; it must come within the 15 s that stopping it takes. */
export async function failStart(program: URL, env: Readonly<Record<string, string>>): Promise<FailedStart> {
  // What an operator sees who has not asked for more.
  const server = startServerProcess(program, {
    ...env,
    LOG_LEVEL: env.LOG_LEVEL === 'debug' ? 'info' : (env.LOG_LEVEL ?? 'info'),
  });
  const timer = setTimeout(() => void server.kill(), 20_000);
  const { code } = await server.ended;
  clearTimeout(timer);
  const lines = server.stderr().split('\n').filter(Boolean);
  return { code, lines, output: server.stdout() + server.stderr() };
}

/** One clear line: what is wrong and what to change, and nothing internal. */
export function expectOneLine({ code, lines, output }: FailedStart, words: RegExp): void {
  expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringMatching(words)] });
  expect(lines[0]).toMatch(/^portcullis: /);
  expect(output).not.toMatch(/\n\s+at |node:internal|\.js:\d/);
}
