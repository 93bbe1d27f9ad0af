import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A process that a test started. */
export type Child = {
  readonly process: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  /** Its exit code, once all of its output has arrived; null after a signal. */
  readonly ended: Promise<number | null>;
  /** Resolves once its standard output contains the text. */
  says(text: string): Promise<void>;
};

/** `channel`: keep one to the child, as a parent may; `nodeOptions`: for the child's Node.js. */
type ChildOptions = { readonly channel?: boolean; readonly nodeOptions?: readonly string[] };

const source = (name: string): string => JSON.stringify(join(import.meta.dirname, '../../src', name));

/** Runs a program that sees `runProcess`, `StartupError` and `lockFolder`. */
export function runChild(body: string, { channel = false, nodeOptions = [] }: ChildOptions = {}): Child {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-child-'));
  const program = join(folder, 'main.mjs');
  writeFileSync(
    program,
    `import { runProcess } from ${source('process.ts')};
     import { StartupError } from ${source('startup-error.ts')};
     import { lockFolder } from ${source('folder-lock.ts')};
     const say = (text) => process.stdout.write(text + '\\n');
     ${body}`,
  );
  const child = spawn(process.execPath, [...nodeOptions, program], {
    stdio: ['ignore', 'pipe', 'pipe', ...(channel ? (['ipc'] as const) : [])],
  });
  const output = collect(child);
  const ended = once(child, 'close').then(([code]: (number | null)[]) => {
    rmSync(folder, { recursive: true });
    return code ?? null;
  });
  return { process: child, output, ended, says: (text) => untilSaid(child, () => output.stdout.includes(text)) };
}

function collect(child: ChildProcess): Child['output'] {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      output[name] += chunk.toString();
    });
  }
  return output;
}

async function untilSaid(child: ChildProcess, said: () => boolean): Promise<void> {
  while (!said() && child.stdout !== null) await once(child.stdout, 'data');
}
