import { spawnSync } from 'node:child_process';
import { root } from '../prepare/root.mjs';
import { main } from '../prepare/step.mjs';
import { prepare } from '../prepare.mjs';
import { withAddresses } from './servers.mjs';

/** Runs a program of this repository on the pinned Node.js, with the arguments and the environment of this process. */
export function runOnHost(program) {
  return main(async () => {
    const runtime = await prepare();
    const env = withAddresses(process.env);
    return spawnSync(runtime, [program, ...process.argv.slice(2)], { cwd: root, env, stdio: 'inherit' }).status ?? 1;
  });
}
