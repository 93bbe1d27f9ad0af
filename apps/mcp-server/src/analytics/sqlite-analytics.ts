import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Analytics, type AnalyticsOutcome, refused } from './analytics.ts';
import type { QueryAnswer, QueryMessage } from './query-message.ts';

/** What queries run with. */
export type SqliteAnalyticsOptions = { file: string; timeoutMs: number };

/** Beside this file, as source or built. */
const PROGRAM = fileURLToPath(new URL(`sqlite-query-process${extname(import.meta.filename)}`, import.meta.url));

/**
 * Runs each query in a child process that holds nothing but the file, and ends that process when the time is over.
 * A process that answered in time is used again; nothing is started before the first query.
 */
export function sqliteAnalytics({ file, timeoutMs }: SqliteAnalyticsOptions): Analytics {
  const idle = new Set<ChildProcess>();
  const all = new Set<ChildProcess>();
  const take = async (): Promise<ChildProcess> => {
    const [child] = idle;
    if (!child) return await start();
    idle.delete(child);
    return child;
  };
  const start = async () => {
    const child = startProcess(file);
    all.add(child);
    // Also one that somebody else ended while it had nothing to do.
    child.once('close', () => {
      all.delete(child);
      idle.delete(child);
    });
    if ((await nextAnswer(child)) === undefined) throw new Error('the process for queries ended before it was ready');
    return child;
  };
  return {
    timeoutMs,
    async run(statement, signal) {
      const child = await take();
      const end = () => child.kill('SIGKILL');
      const timer = setTimeout(end, timeoutMs);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      try {
        const outcome = await ask(child, { statement });
        if (child.connected && !signal.aborted) idle.add(child);
        return outcome;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
      }
    },
    async close() {
      const ends = [...all].map((child) => once(child, 'close'));
      for (const child of all) child.kill('SIGKILL');
      await Promise.all(ends);
    },
  };
}

function startProcess(file: string): ChildProcess {
  // No environment: it holds secrets, and nothing in there needs any.
  return fork(PROGRAM, [file], { env: {}, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

async function ask(child: ChildProcess, message: QueryMessage): Promise<AnalyticsOutcome> {
  const answer = nextAnswer(child);
  child.send(message);
  const told = await answer;
  if (told === undefined) return refused('took-too-long');
  if ('outcome' in told) return told.outcome;
  throw new Error('a query failed in its process', { cause: 'fault' in told ? told.fault : told });
}

/** What the process says next; `undefined` when it ends instead, by our hand or its own. */
function nextAnswer(child: ChildProcess): Promise<QueryAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (answer: QueryAnswer | undefined) => {
      child.off('message', settle).off('close', ended).off('error', reject);
      resolve(answer);
    };
    const ended = () => settle(undefined);
    child.on('message', settle).on('close', ended).on('error', reject);
  });
}
