import { build } from './prepare/build.mjs';
import { installPackages } from './prepare/packages.mjs';
import { pinnedRuntime } from './prepare/runtime.mjs';

/**
 * Installs and builds what is missing or stale. Needs nothing but the machine's own Node.js 20.19 or newer.
 * @returns {Promise<string>} the path of the Node.js that runs everything else
 */
export async function prepare() {
  await installPackages();
  const runtime = pinnedRuntime();
  await build(runtime);
  return runtime;
}
