import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));

/** What `npm run` starts, without the installing and building that come before it. */
const PROGRAMS: Record<string, string> = {
  backup: 'scripts/backup/sqlite.mjs',
  'after-restore': 'apps/authorization-server/dist/after-restore.js',
};

/** The blocks of commands for a shell below a heading of docs/production.md, in their order. */
export function guideCommands(heading: string): string[] {
  const guide = readFileSync(join(ROOT, 'docs/production.md'), 'utf8');
  const text = guide.split(`\n### ${heading}\n`)[1]?.split(/\n##/)[0] ?? '';
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block);
}

/** Runs commands as they stand in the guide, in an environment that sets the variables that it names. */
export async function runAsWritten(commands: string, env: Record<string, string>, programs: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-guide-'));
  try {
    const npm = join(folder, 'npm');
    const cases = Object.entries(PROGRAMS).map(([name, program]) => `${name}) program=${program} ;;`);
    writeFileSync(
      npm,
      `#!/bin/sh\ncase "$2" in\n${cases.join('\n')}\nesac\nshift 3\ncd ${ROOT} && exec node "$program" "$@"\n`,
    );
    chmodSync(npm, 0o755);
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const path = [folder, dirname(process.execPath), ...programs, PATH].join(delimiter);
    const child = spawn('bash', ['-euxc', commands], {
      env: { HOME: folder, NODE_COMPILE_CACHE, ...env, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    const status = await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
    return { status, ...output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
