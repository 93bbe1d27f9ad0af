import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createCommandLine } from './stack/support/command-line.ts';

const PROGRAM = fileURLToPath(new URL('../../../apps/admin-cli/bin/portcullis.mjs', import.meta.url));

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-completion-'));
  // An alias or a global installation gives it that name.
  const named = join(folder, 'portcullis');
  writeFileSync(named, `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(named, 0o755);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, args: readonly string[], { words = [] as readonly string[] } = {}) {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH: `${folder}:${PATH}`, NODE_COMPILE_CACHE, HOME: folder, NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync(program, [...args, ...words], { env, encoding: 'utf8', cwd: folder });
  return { status, stdout, stderr };
}

/** What a real bash offers for a line that ends with `words`, with the cursor behind the last of them. */
function bashOffers(...words: string[]): string[] {
  const script = `
    set -eu
    source <(portcullis completion bash)
    COMP_WORDS=(portcullis "$@") COMP_CWORD=$#
    "$(complete -p portcullis | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
    for offer in \${COMPREPLY[@]+"\${COMPREPLY[@]}"}; do echo "$offer"; done`;
  const { status, stdout, stderr } = run('bash', ['--norc', '-c', script, 'bash'], { words });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').filter(Boolean);
}

/** What the program answers to the shells. */
async function offers(...words: string[]): Promise<string[]> {
  const line = createCommandLine();
  const { code, out } = await line.run(['complete', '--', ...words]);
  line.remove();
  expect(code).toBe(0);
  return out.split('\n').flatMap((text) => text.split('\t')[0] || []);
}

describe('portcullis completion', () => {
  test('a real bash completes groups, commands and options', () => {
    expect(bashOffers('cl')).toEqual(['clients']);
    expect(bashOffers('clients', 're')).toEqual(['register', 'reject']);
    expect(bashOffers('clients', 'approve', '--s')).toEqual(['--seen']);
  });

  test('what is typed is never run: no word is evaluated', () => {
    const proof = join(folder, 'proof');
    const words = [`$(touch ${proof})`, `\`touch ${proof}\``, `; touch ${proof}`, `> ${proof}`, `' touch ${proof} '`];
    expect(bashOffers('clients', ...words, 'del')).toEqual(['delete']);
    expect(bashOffers('clients', words.join(' '))).toEqual([]);
    expect(existsSync(proof)).toBe(false);
  });

  test('what can stand where the cursor is, past options and their values', async () => {
    expect(await offers('')).toEqual(expect.arrayContaining(['login', 'users', 'clients', 'audit', 'completion']));
    expect(await offers('')).not.toContain('complete');
    expect(await offers('users', 'list', '--j')).toEqual(['--json']);
    expect(await offers('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await offers('--issuer', 'users', 'gra')).toEqual(['grants']);
    expect(await offers('--json', 'users', 'ad')).toEqual(['add']);
    expect(await offers('users', 'add', '--email', '')).toEqual([]);
    expect(await offers()).toEqual(await offers(''));
  });

  test.each([
    ['bash', 'complete -o default -F _portcullis portcullis'],
    ['zsh', 'compdef _portcullis portcullis'],
    ['fish', 'complete -c portcullis'],
  ])('prints a script for %s, in JSON too, and needs no server', async (shell, words) => {
    const line = createCommandLine();
    const { code, out } = await line.run(['completion', shell]);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining(words) });
    expect(JSON.parse((await line.run(['completion', shell, '--json'])).out)).toEqual({ shell, script: out });
    line.remove();
  });

  test('is used wrongly: exit code 2, and says which shells there are', async () => {
    const line = createCommandLine();
    expect(await line.run(['completion'])).toMatchObject({ code: 2, out: '' });
    expect(await line.run(['completion', 'tcsh'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('bash, zsh, fish'),
    });
    expect(await line.run(['completion', '--help'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('~/.zshrc'),
    });
    line.remove();
  });
});
