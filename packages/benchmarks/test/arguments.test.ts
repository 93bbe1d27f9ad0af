import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill();
});

async function run(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const started = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let [out, err] = ['', ''];
  started.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  started.stderr.setEncoding('utf8').on('data', (text) => (err += text));
  const [code] = await once(started, 'close');
  return { code, out, err };
}

test.each(['--help', '-h'])('%s shows how it is used, and measures nothing', async (help) => {
  const { code, out, err } = await run(help, 'login');
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^Usage: npm run bench -- /);
  for (const word of ['guard-overhead', '--quick', '--profile']) expect(out).toContain(word);
});

test.each([
  ['an unknown option', ['--nonsense'], /--nonsense/],
  ['an option without its value', ['--rounds'], /--rounds/],
  ['a value for an option that takes none', ['--quick=yes'], /--quick/],
  ['rounds that are no number', ['--rounds', 'many'], /--rounds/],
  ['no size', ['--size', '0'], /--size/],
  ['an unknown case, also beside a known one', ['login', 'lgoin'], /lgoin.+guard-overhead/],
])('%s is refused in a sentence', async (_what, args, words) => {
  const { code, out, err } = await run(...args);
  expect([code, out]).toEqual([2, '']);
  expect(err).toMatch(/^bench: .+\.\nAdd --help to see how it is used\.\n$/);
  expect(err).toMatch(words);
});
