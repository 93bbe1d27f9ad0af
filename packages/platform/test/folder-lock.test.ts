import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { lockFolder } from '../src/folder-lock.ts';
import { StartupError } from '../src/startup-error.ts';
import { runChild } from './support/child.ts';

describe('the lock on a folder', () => {
  let parent: string;
  let folder: string;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'portcullis-lock-'));
    folder = join(parent, 'data');
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  test('makes the folder, for its owner alone', () => {
    lockFolder(folder, 'server').release();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('is refused to a second process, and free again at once when the first is killed', async () => {
    const child = runChild(
      `lockFolder(${JSON.stringify(folder)}, 'server'); say('locked'); setInterval(() => {}, 1000);`,
    );
    await child.says('locked');
    expect(() => lockFolder(folder, 'server')).toThrow(StartupError);
    expect(() => lockFolder(folder, 'server')).toThrow(/in use by another process/);
    child.process.kill('SIGKILL');
    await child.ended;
    lockFolder(folder, 'server').release();
  });

  test('outlives its reference: whoever forgets it still holds it', async () => {
    const body = `lockFolder(${JSON.stringify(folder)}, 'server'); globalThis.gc(); say('collected'); setInterval(() => {}, 1000);`;
    const child = runChild(body, { nodeOptions: ['--expose-gc'] });
    await child.says('collected');
    expect(() => lockFolder(folder, 'server')).toThrow(/in use by another process/);
    child.process.kill('SIGKILL');
    await child.ended;
  });

  test('is one for each name', () => {
    const first = lockFolder(folder, 'one');
    lockFolder(folder, 'two').release();
    first.release();
  });

  test('says so when the folder cannot be written', () => {
    expect(() => lockFolder('/dev/null/data', 'server')).toThrow(/cannot be written/);
  });
});
