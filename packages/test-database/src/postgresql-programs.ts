import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const OLDEST_MAJOR = 15;

/** Folders in which package managers put PostgreSQL's server programs, one folder for each major version. */
const VERSIONED_ROOTS = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'];

/**
 * The folder that holds `initdb` and `postgres`, or nothing when this machine has none.
 *
 * Looks where Debian and Homebrew put versions 15 and newer (newest first), then along `PATH`.
 */
export function postgresqlPrograms(searchPath = process.env.PATH ?? ''): string | undefined {
  const onPath = searchPath.split(delimiter).filter((folder) => folder !== '');
  return [...versionedFolders(), ...onPath].find(
    (folder) => isExecutable(join(folder, 'initdb')) && isExecutable(join(folder, 'postgres')),
  );
}

function versionedFolders(): string[] {
  return VERSIONED_ROOTS.flatMap((root) =>
    entries(root)
      .map((name) => ({ folder: join(root, name, 'bin'), major: Number(/^(?:postgresql@)?(\d+)$/.exec(name)?.[1]) }))
      .filter(({ major }) => major >= OLDEST_MAJOR)
      .sort((a, b) => b.major - a.major)
      .map(({ folder }) => folder),
  );
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
