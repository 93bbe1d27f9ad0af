import { spawn } from 'node:child_process';
import { pollUntil } from './poll.ts';

/** How a process ended. */
export type ProcessEnd = { code: number | null; signal: NodeJS.Signals | null };

/** A server program that runs as a process of its own. */
export type ServerProcess = {
  pid: number;
  /** What it wrote to standard output so far. */
  stdout(): string;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Resolves when it has ended and all its output was read. */
  ended: Promise<ProcessEnd>;
  /** Asks it to end (SIGTERM) and waits; after 15 s it is killed, and the code is null. */
  stop(): Promise<ProcessEnd>;
  /** Kills it (SIGKILL) and waits. */
  kill(): Promise<ProcessEnd>;
};

const stopMs = 15_000;

/**
 * Starts a server program on the Node.js that runs this process. It gets `env` and, of ours, only what finds programs,
 * temporary folders and what was compiled before.
 */
export function startServerProcess(
  program: URL,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): ServerProcess {
  const { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [program.pathname, ...args], {
    env: { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<ProcessEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });

  const kill = () => {
    child.kill('SIGKILL');
    return ended;
  };
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    kill,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(kill, stopMs);
      return ended.finally(() => clearTimeout(timer));
    },
  };
}

/**
 * Waits until a server answers 200 to `GET /readyz` on a loopback port.
 * @throws {Error} with its output, when it ends before or takes more than 50 s, which only a very busy machine does.
 */
export async function untilReady(server: ServerProcess, port: number): Promise<void> {
  let end: ProcessEnd | undefined;
  server.ended.then(
    (ended) => (end = ended),
    () => {},
  );
  const isReady = async () => {
    if (end) return true;
    return (await fetch(`http://localhost:${port}/readyz`)).ok;
  };
  const output = () => `${server.stdout()}${server.stderr()}`;
  await pollUntil(isReady, { what: `http://localhost:${port}/readyz`, deadlineMs: 50_000 }).catch((cause: unknown) => {
    throw new Error(`the server is not ready: ${output()}`, { cause });
  });
  if (end) throw new Error(`the server ended (code ${end.code}) before it was ready: ${output()}`);
}
