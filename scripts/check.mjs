import { lockfileProblems } from './check/lockfile.mjs';
import { build } from './prepare/build.mjs';
import { installPackages } from './prepare/packages.mjs';
import { inRoot, readJson } from './prepare/root.mjs';
import { pinnedRuntime } from './prepare/runtime.mjs';
import { main, Problem, run, say } from './prepare/step.mjs';

/** Everything a change must satisfy beside its tests. All steps run, so that one look shows all there is to mend. */
await main(async () => {
  await installPackages();
  const runtime = pinnedRuntime();
  const tool = (program, ...args) => run(runtime, [inRoot('node_modules', program), ...args]);
  const steps = [
    ['build', () => built(runtime)],
    [
      'format and lint',
      () => tool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--max-diagnostics=200', '.'),
    ],
    ['types', () => tool('typescript/bin/tsc', '--build')],
    ['types of the tests', () => tool('typescript/bin/tsc', '--project', 'tsconfig.tests.json')],
    ['allowed directions', () => tool('turbo/bin/turbo', 'boundaries')],
    [
      'unused exports and dependencies',
      () => tool('knip/bin/knip.js', '--no-progress', '--treat-config-hints-as-errors'),
    ],
    ['lockfile', lockfile],
  ];
  const failed = [];
  for (const [name, check] of steps) {
    const { ok, output } = await check();
    say(`${ok ? 'ok    ' : 'FAILED'} ${name}`);
    if (ok) continue;
    say(output);
    failed.push(name);
  }
  return failed.length === 0 ? 0 : 1;
});

/** A build that fails is one finding of many here, and says by itself what is wrong. */
async function built(runtime) {
  try {
    await build(runtime);
    return { ok: true, output: '' };
  } catch (cause) {
    if (cause instanceof Problem) return { ok: false, output: cause.message };
    throw cause;
  }
}

function lockfile() {
  const found = lockfileProblems(readJson('package-lock.json'));
  return { ok: found.length === 0, output: found.map((line) => `package-lock.json: ${line}`).join('\n') };
}
