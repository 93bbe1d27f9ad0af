import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { workspaceFolders } from './packages.mjs';
import { inRoot, root } from './root.mjs';
import { mustRun, say } from './step.mjs';

/** What was built last: asking turbo whether there is anything to do takes longer than reading the sources. */
const STAMP = inRoot('node_modules', '.cache', 'portcullis', 'built');

const SHARED_INPUTS = [
  'prisma',
  'scripts/generate-prisma.mjs',
  'package-lock.json',
  'tsconfig.base.json',
  'turbo.json',
];

/** Generates and compiles what changed since the last build. */
export async function build(runtime) {
  const folders = workspaceFolders();
  const wanted = fingerprint([...SHARED_INPUTS.map((path) => inRoot(path)), ...folders.flatMap(ownInputs)]);
  if (folders.every(isBuilt) && stamp() === wanted) return;
  say('Building …');
  await mustRun('The build', runtime, [
    inRoot('node_modules', 'turbo', 'bin', 'turbo'),
    'run',
    'build',
    '--output-logs=errors-only',
    '--ui=stream',
  ]);
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, wanted);
}

const ownInputs = (folder) => ['src', 'package.json', 'tsconfig.json'].map((name) => join(folder, name));
const isBuilt = (folder) => existsSync(join(folder, 'dist', '.tsbuildinfo'));
const stamp = () => (existsSync(STAMP) ? readFileSync(STAMP, 'utf8') : undefined);

/** One hash over the names and contents of all files at or below the paths. */
function fingerprint(paths) {
  const hash = createHash('sha256');
  for (const file of paths.flatMap(filesBelow)) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name !== 'generated')
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}
