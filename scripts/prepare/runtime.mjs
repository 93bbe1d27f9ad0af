import { spawnSync } from 'node:child_process';
import { inRoot, readJson } from './root.mjs';
import { Problem } from './step.mjs';

/**
 * The Node.js that runs everything: the one the project pins as a package, or our own where that is as new.
 *
 * npm installs the pinned one with an install script, which a user's settings can switch off; the machine's
 * own, perhaps older, Node.js would then take its place unseen.
 * @throws {Problem} when neither is new enough
 */
export function pinnedRuntime() {
  const wanted = readJson('package.json').dependencies.node;
  const pinned = inRoot('node_modules', '.bin', 'node');
  const found = [
    { path: pinned, version: versionOf(pinned) },
    { path: process.execPath, version: process.version },
  ].find(({ version }) => version !== undefined && isAtLeast(version, wanted));
  if (found) return found.path;
  throw new Problem(
    `Portcullis runs on Node.js ${wanted}, which comes as a package, but this is ${process.version}: the package's install ` +
      'script did not run (is ignore-scripts set?). Run "npm rebuild node --ignore-scripts=false", or install that Node.js.',
  );
}

function versionOf(path) {
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** Whether a version such as `v24.1.0` is the wanted one or a later one. */
export function isAtLeast(version, wanted) {
  const [have, want] = [version, wanted].map((text) => text.replace(/^v/, '').split('.').map(Number));
  const differs = want.findIndex((part, i) => part !== have[i]);
  return differs === -1 || have[differs] > want[differs];
}
