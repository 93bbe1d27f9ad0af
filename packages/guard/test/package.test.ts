import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const run = promisify(execFile);
const root = new URL('..', import.meta.url);

const documented = new Map<string, string[]>();
const text = await readFile(new URL('README.md', root), 'utf8');
const section = text.slice(text.indexOf('## What is exported'));
for (const [, path = '', names = ''] of section.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)) {
  documented.set(path, [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name).sort());
}
const { exports }: { exports: Record<string, { default: string; types: string }> } = JSON.parse(
  await readFile(new URL('package.json', root), 'utf8'),
);

let folder: string;
let tarball: Uint8Array;
let packed: { filename: string; files: { path: string }[] };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-guard-'));
  const args = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', folder];
  [packed] = JSON.parse((await run('npm', args, { cwd: root })).stdout);
  tarball = await readFile(join(folder, packed.filename));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the packed guard', () => {
  test('holds what is built, what documents it, and nothing else', () => {
    const unexpected = packed.files
      .map(({ path }) => path)
      .filter((path) => !/^(package\.json|README\.md|LICENSE|dist\/[a-z0-9-]+\.(js|d\.ts)(\.map)?)$/.test(path));
    expect(unexpected).toEqual([]);
    expect(packed.files.map(({ path }) => path)).toContain('README.md');
  });

  test('publint has nothing to say', async () => {
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test('its types are those of what it runs', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(tarball));
    if (!analysis.types) throw new Error('the package has no types');
    // It is for ES modules, and says so; old resolution without `exports` is not served.
    const outside = ['node10', 'node16-cjs'];
    const problems = analysis.problems.filter(
      (problem) => !('resolutionKind' in problem && outside.includes(problem.resolutionKind)),
    );
    expect(problems).toEqual([]);
  });
});

describe('the public surface is a list', () => {
  test('with every way into the package', () => {
    expect([...documented.keys()].sort()).toEqual(
      Object.keys(exports)
        .map((path) => path.replace(/^\./, '@portcullis/guard'))
        .sort(),
    );
  });

  test.each(Object.entries(exports))('%s exports what is documented, values and types', async (path, { types }) => {
    const declared = await readFile(new URL(types, root), 'utf8');
    const names = exportedNames(declared);
    expect(names).toEqual(documented.get(path.replace(/^\./, '@portcullis/guard')));
  });
});

/** The names that a declaration file exports; every export of ours is a named one. */
function exportedNames(declared: string): string[] {
  const listed = [...declared.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = '']) =>
    names.split(',').map((name) => name.replace(/^\s*type\s+/, '').trim()),
  );
  const direct = [...declared.matchAll(/^export (?:declare )?(?:type|function|const|class) (\w+)/gm)];
  return [...listed, ...direct.map(([, name = '']) => name)].filter((name) => name !== '').sort();
}
