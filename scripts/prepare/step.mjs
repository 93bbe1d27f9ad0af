import { spawn } from 'node:child_process';
import { inRoot, root } from './root.mjs';

/** Something the person at the keyboard can put right; its message says how. Printed as one line, without a stack. */
export class Problem extends Error {}

/** Tools that would otherwise report on their use. */
const NO_TELEMETRY = { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', CHECKPOINT_DISABLE: '1' };

/** The search path with the project's own programs in front, its Node.js among them. */
export const pathWithTools = () => `${inRoot('node_modules', '.bin')}:${process.env.PATH}`;

/** Prints a progress line. */
export const say = (line) => process.stdout.write(`${line}\n`);

/**
 * Runs a program to its end without showing its output.
 * @returns {Promise<{ ok: boolean, output: string }>} `ok` is exit code 0; both output streams in one text
 */
export function run(program, args, { env = {}, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...NO_TELEMETRY, PATH: pathWithTools(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', (cause) => resolve({ ok: false, output: cause.message }));
    child.once('close', (code) => resolve({ ok: code === 0, output: output.trim() }));
  });
}

/** Runs a step that must succeed; its output is shown only when it does not. */
export async function mustRun(what, program, args, options) {
  const { ok, output } = await run(program, args, options);
  if (ok) return;
  process.stderr.write(`${output}\n`);
  throw new Problem(`${what} failed; its output stands above.`);
}

/** Runs a script's main function; a {@link Problem} is printed as one line, and either kind of failure exits 1. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (cause) {
    process.stderr.write(cause instanceof Problem ? `portcullis: ${cause.message}\n` : `${cause.stack}\n`);
    process.exitCode = 1;
  }
}
