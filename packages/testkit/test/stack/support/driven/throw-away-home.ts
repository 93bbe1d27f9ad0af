import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A home folder for one client program, and the log of what it should not have done. */
export type ThrowAwayHome = {
  folder: string;
  /** The environment of the program: nothing of ours but where compiled modules are kept, no browser, and no way to leave this machine. */
  env: Readonly<Record<string, string>>;
  /** Hosts outside this machine that the program tried to reach. */
  reachedOut(): Promise<string[]>;
  remove(): Promise<void>;
};

/** What programs start to show a page; the person of the test plays the browser. */
const OPENERS = ['browser', 'open', 'xdg-open'];

/** Makes an empty one; `trust` is what programs need to trust the proxy in front. */
export async function makeThrowAwayHome(trust: Readonly<Record<string, string>> = {}): Promise<ThrowAwayHome> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-home-'));
  const bin = join(folder, 'bin');
  const log = join(folder, 'reached-out.log');
  await mkdir(bin);
  for (const opener of OPENERS) await writeFile(join(bin, opener), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  await writeFile(log, '');
  const { NODE_COMPILE_CACHE } = process.env;
  return {
    folder,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, '.config'),
      BROWSER: join(bin, 'browser'),
      NO_COLOR: '1',
      NODE_OPTIONS: `--import ${new URL('loopback-only.mjs', import.meta.url).href}`,
      REACHED_OUT_LOG: log,
      ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }),
      ...trust,
    },
    reachedOut: async () => (await readFile(log, 'utf8')).split('\n').filter(Boolean),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
