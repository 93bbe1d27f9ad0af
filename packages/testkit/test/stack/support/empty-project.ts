import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const guard = new URL('../../../../guard/', import.meta.url);

/** A project with nothing in it but what it depends on. */
export type EmptyProject = { folder: URL; remove(): Promise<void> };

/**
 * Installs the packed guard into an empty project, as `npm install` does: its declared dependencies beside it, and those
 * of the project, each under its name alone. What the guard does not declare, it does not find.
 */
export async function projectWithGuard(dependencies: readonly string[]): Promise<EmptyProject> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-project-'));
  const modules = join(folder, 'node_modules');
  const installed = join(modules, '@portcullis/guard');
  await mkdir(installed, { recursive: true });
  const packing = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', folder];
  const [{ filename }] = JSON.parse((await run('npm', packing, { cwd: guard })).stdout);
  await run('tar', ['xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(manifest.dependencies), ...dependencies]) await link(name, modules);
  await cp(new URL('test/examples/', guard), folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }');
  return {
    folder: new URL(`file://${folder}/`),
    remove: () => rm(folder, { recursive: true }),
  };
}

/** A dependency has its own dependencies where it is. */
async function link(name: string, modules: string): Promise<void> {
  await mkdir(dirname(join(modules, name)), { recursive: true });
  await symlink(await folderOf(name), join(modules, name));
}

async function folderOf(name: string): Promise<string> {
  const { resolve } = createRequire(new URL('package.json', guard));
  for (const folder of resolve.paths(name) ?? []) {
    const found = await readFile(join(folder, name, 'package.json')).catch(() => undefined);
    if (found !== undefined) return join(folder, name);
  }
  throw new Error(`${name} is not installed`);
}
