/**
 * What keeps a lockfile from serving everywhere, one line for each finding.
 *
 * - An address: with `omit-lockfile-registry-resolved` npm leaves the registry's out, so that the lock serves behind
 *   any mirror; one that is left names a place other than the registry.
 * - A package without a checksum.
 * - Another platform's package that is not in it: npm writes such a lock when the registry lacks that version, and
 *   then refuses it at the next `npm ci`.
 */
export function lockfileProblems(lock) {
  return Object.entries(lock.packages).flatMap(([path, entry]) => [
    ...(isFromRegistry(path, entry) ? addressProblems(path, entry) : []),
    ...missingPlatforms(path, entry, lock.packages),
  ]);
}

const isFromRegistry = (path, entry) => path.includes('node_modules/') && !entry.link;

function addressProblems(path, entry) {
  return [
    ...(entry.resolved === undefined ? [] : [`${path} names the address ${entry.resolved}`]),
    ...(entry.integrity || entry.inBundle ? [] : [`${path} has no checksum`]),
  ];
}

function missingPlatforms(path, entry, packages) {
  return Object.keys(entry.optionalDependencies ?? {})
    .filter((name) => !lookupPaths(path, name).some((candidate) => packages[candidate]?.version !== undefined))
    .map((name) => `${name}, which ${path} lists, is missing: choose a version that the registry has for it`);
}

/** Where Node.js looks for a package: beside the one that asks, and then upwards. */
function lookupPaths(path, name) {
  const parents = path.split('/node_modules/').map((_, i, parts) => parts.slice(0, i + 1).join('/node_modules/'));
  return [`node_modules/${name}`, ...parents.map((parent) => `${parent}/node_modules/${name}`)];
}
