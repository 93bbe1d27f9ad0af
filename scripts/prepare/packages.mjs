import { inRoot, readJson } from './root.mjs';
import { mustRun, say } from './step.mjs';

/**
 * Whether what is installed is what the lockfile asks for, whoever installed it.
 *
 * Compares the lockfile with the one npm leaves in node_modules when an install has succeeded. Optional
 * packages may be missing: they are other platforms'.
 */
export function packagesAreCurrent(wanted, installed) {
  if (installed === undefined) return false;
  return Object.entries(wanted.packages)
    .filter(([path]) => path !== '')
    .every(([path, entry]) => isInstalled(entry, installed.packages[path]));
}

function isInstalled(entry, found) {
  if (entry.link) return found?.link === true && found.resolved === entry.resolved;
  if (found === undefined) return entry.optional === true || entry.devOptional === true || isWorkspace(entry);
  return found.version === entry.version && found.integrity === entry.integrity;
}

/** A workspace's own entry (`apps/…`): its link counts, not the entry. */
const isWorkspace = (entry) => entry.integrity === undefined;

/** Installs what the lockfile asks for, if it is not there already. */
export async function installPackages() {
  if (packagesAreCurrent(readJson('package-lock.json'), readJson('node_modules', '.package-lock.json'))) return;
  say('Installing packages (about a minute) …');
  const [program, ...args] = npm();
  // Building needs the development packages too, and one of those warns about an older Node.js that only installs it.
  const options = ['ci', '--include=dev', '--no-audit', '--no-fund', '--engine-strict=false', '--loglevel=error'];
  await mustRun('Installing packages', program, [...args, ...options], { env: withoutLifecycle() });
}

/** The npm that runs us, or the one on the PATH. */
function npm() {
  const path = process.env.npm_execpath;
  return path?.endsWith('.js') ? [process.execPath, path] : ['npm'];
}

/** What npm tells the script it runs about itself must not reach a second npm; `undefined` unsets. */
function withoutLifecycle() {
  const names = Object.keys(process.env).filter(
    (name) => /^npm_(lifecycle|package|command)/.test(name) || name === 'NODE_ENV',
  );
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** The folders of the workspaces, as the lockfile lists them. */
export const workspaceFolders = () =>
  Object.values(readJson('package-lock.json').packages)
    .filter((entry) => entry.link)
    .map((entry) => inRoot(entry.resolved));
