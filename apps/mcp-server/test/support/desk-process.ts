import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The MCP server as a process of its own. */
export type DeskProcess = {
  child: ChildProcess;
  /** What it wrote so far, to both outputs. */
  output(): string;
  /** Waits until it is ready, or has ended. */
  ready(origin: string): Promise<void>;
  /** Waits for its end. */
  ended(): Promise<{ code: number | null; signal: string | null }>;
};

const READY_WITHIN_MS = 20_000;

/** Starts the server as `npm start` does, from its sources. */
export function startDeskProcess(env: Record<string, string>): DeskProcess {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const { NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [main], {
    env: { NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const end = once(child, 'close');
  return {
    child,
    output: () => output,
    async ready(origin) {
      const deadline = Date.now() + READY_WITHIN_MS;
      while (child.exitCode === null && Date.now() < deadline) {
        if (await answers(`${origin}/readyz`)) return;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      throw new Error(`the server did not become ready: ${output}`);
    },
    async ended() {
      const [code, signal] = await end;
      return { code, signal };
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
