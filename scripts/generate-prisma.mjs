// Generates the Prisma client of each database into packages/persistence/src/generated, when an input has changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = join(root, 'packages/persistence/src/generated');
const stampFile = join(generated, '.inputs');
const prismaPackage = createRequire(join(root, 'packages/persistence/package.json')).resolve('prisma/package.json');
const prismaCli = join(prismaPackage, '../build/index.js');
const databases = ['sqlite', 'postgresql'];

function hashOfInputs() {
  const inputs = [fileURLToPath(import.meta.url), prismaPackage, join(root, 'prisma/models.prisma')];
  for (const database of databases) inputs.push(join(root, 'prisma', database, 'schema.prisma'));
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(readFileSync(input)).update('\0');
  return hash.digest('hex');
}

function isCurrent(stamp) {
  if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) return false;
  return databases.every((database) => existsSync(join(generated, database, 'client.ts')));
}

function generate(database) {
  const result = spawnSync(
    process.execPath,
    [prismaCli, 'generate', '--no-hints', '--schema', join(root, 'prisma', database)],
    {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        // Generating needs no schema engine, but Prisma would fetch one from its own host unless it is told of a file.
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    },
  );
  if (result.status === 0) return readCompilerAsFile(database);
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  process.stderr.write(`The Prisma client for ${database} could not be generated.\n`);
  process.exit(1);
}

/** Prisma's query compiler is a module that holds 2 MB of text. A module is never let go of, so it is read as a file. */
function readCompilerAsFile(database) {
  const file = join(generated, database, 'internal/class.ts');
  const source = readFileSync(file, 'utf8');
  const read = source.replace(
    /const \{ wasm \} = await import\(("@prisma\/client\/[^"]+")\)/,
    `const { createRequire } = await import('node:module')
    const { readFileSync } = await import('node:fs')
    const text = readFileSync(createRequire(import.meta.url).resolve($1), 'latin1')
    const wasm = text.slice(text.indexOf('"') + 1, text.lastIndexOf('"'))`,
  );
  if (read === source) throw new Error(`${file} gets its query compiler otherwise than by a module of its text`);
  writeFileSync(file, read);
}

const stamp = hashOfInputs();
if (!isCurrent(stamp)) {
  rmSync(stampFile, { force: true });
  for (const database of databases) generate(database);
  writeFileSync(stampFile, stamp);
}
