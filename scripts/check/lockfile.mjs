/**
 * What in a lockfile ties an install to one place: addresses of packages, and packages without a checksum.
 *
 * With `omit-lockfile-registry-resolved` npm leaves the registry's addresses out, so that the lock serves behind
 * any mirror; what is left would be a package from elsewhere than the registry.
 * @returns {string[]} one line for each finding
 */
export function foreignAddresses(lock) {
  return Object.entries(lock.packages).flatMap(([path, entry]) => {
    if (entry.link || !path.includes('node_modules/')) return [];
    return [
      ...(entry.resolved === undefined ? [] : [`${path} names the address ${entry.resolved}`]),
      ...(entry.integrity || entry.inBundle ? [] : [`${path} has no checksum`]),
    ];
  });
}
