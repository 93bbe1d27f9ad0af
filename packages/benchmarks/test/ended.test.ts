import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pollUntil } from '@portcullis/testkit';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let folder: string;
let run: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-benchmark-'));
  await chmod(folder, 0o711);
});

afterEach(async () => {
  run?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

function start(name: string): ChildProcess {
  const env = { ...process.env, TMPDIR: folder };
  run = spawn(process.execPath, [MAIN, '--quick', '--out', join(folder, 'report'), name], { stdio: 'ignore', env });
  return run;
}

/** The command lines of what has this test's folder in its environment or its arguments, but for the run itself. */
async function ours(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== run?.pid);
  const lines = pids.map(async (pid) => {
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    const [command, environment] = await Promise.all([read('cmdline'), read('environ')]);
    return `${command}${environment}`.includes(folder) ? [command.replaceAll('\0', ' ')] : [];
  });
  return (await Promise.all(lines)).flat();
}

const areThere = (...programs: string[]) =>
  pollUntil(
    async () => {
      const lines = await ours();
      return programs.every((program) => lines.some((line) => line.includes(program)));
    },
    // Each look reads what all processes of the machine were started with.
    { what: programs.join(' and '), deadlineMs: 60_000, intervalMs: 150 },
  );

test.each([
  { signal: 'SIGINT', name: 'soak', programs: ['postgres -D', 'authorization-server/dist/main.js', 'load-generator'] },
  { signal: 'SIGTERM', name: 'soak', programs: ['initdb'] },
  { signal: 'SIGTERM', name: 'guard-overhead', programs: ['mcp-server/dist/main.js'] },
] as const)(
  '$signal while $programs run: they end, their folders go, and the run says by what it ended',
  async ({ signal, name, programs }) => {
    const process = start(name);
    const closed = once(process, 'close');
    await areThere(...programs);
    process.kill(signal);
    expect(await closed).toEqual([signal === 'SIGINT' ? 130 : 143, null]);
    expect(await ours()).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  },
  120_000,
);
