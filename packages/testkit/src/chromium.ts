import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

// No background traffic, and no QUIC: nothing but loopback may be reached by these tests.
const launchArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Path of a Chromium: the one `PORTCULLIS_TEST_CHROMIUM` names, Debian's, or Playwright's own download; undefined when there is none. */
export function findChromium(): string | undefined {
  const candidates = [process.env.PORTCULLIS_TEST_CHROMIUM, '/usr/bin/chromium', chromium.executablePath()];
  return candidates.find((candidate) => candidate && existsSync(candidate));
}

/**
 * Starts Chromium without a window.
 * @throws {Error} when there is none.
 */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('no Chromium: set PORTCULLIS_TEST_CHROMIUM to the path of one');
  return chromium.launch({ executablePath, args: launchArguments });
}
