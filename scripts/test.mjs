import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRoot, root } from './prepare/root.mjs';
import { main, Problem, pathWithTools, say } from './prepare/step.mjs';
import { findTestPrograms, isCi } from './prepare/test-programs.mjs';
import { prepare } from './prepare.mjs';
import { judge } from './run-tests/judge.mjs';

const QUICK =
  'Left out, to be quick: on PostgreSQL the end-to-end suites that are about no database, which ran on SQLite, and those that run once more behind the TLS proxy. PORTCULLIS_TEST_ROUNDS=full plays them, and races and crashes as often as a change must pass.';

await main(async () => {
  const args = process.argv.slice(2);
  if (args.some((arg) => /^--passWithNoTests\b/i.test(arg)))
    throw new Problem('--passWithNoTests is refused: a run without tests has shown nothing.');
  const runtime = await prepare();
  const programs = await findTestPrograms(runtime);
  const quick = args.length === 0 && !isCi() && process.env.PORTCULLIS_TEST_ROUNDS !== 'full';
  const env = { ...programs.env, ...(quick && { PORTCULLIS_TEST_QUICK: '1' }) };
  const { code, results } = await runJest({ runtime, args, env });
  const verdict = judge({ code, results, ci: isCi() });
  for (const line of [...programs.leftOut, ...(quick ? [QUICK] : []), ...verdict.problems, verdict.count]) say(line);
  return verdict.ok ? 0 : 1;
});

async function runJest({ runtime, args, env }) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-test-results-'));
  const file = join(folder, 'results.json');
  const flags = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    inRoot('node_modules', 'jest', 'bin', 'jest.js'),
  ];
  const ours = ['--json', `--outputFile=${file}`, ...(isCi() ? ['--ci'] : [])];
  try {
    const child = spawn(runtime, [...flags, ...ours, ...args], {
      cwd: root,
      env: { ...process.env, ...env, PATH: pathWithTools() },
      stdio: 'inherit',
    });
    // Jest ends itself and what it started at a signal; we wait for it.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    return { code, results: readResults(file) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readResults(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
