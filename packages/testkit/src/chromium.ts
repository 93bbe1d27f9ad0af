import { existsSync } from 'node:fs';
import type { Browser, BrowserType } from 'playwright-core';

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

/**
 * Starts Chromium without a window: the one `PORTCULLIS_TEST_CHROMIUM` names, Debian's, or Playwright's own download.
 * @throws {Error} when there is none.
 */
export async function launchChromium(): Promise<Browser> {
  // Half a second of work, which most of those who import this package have no browser for.
  const { chromium } = await import('playwright-core');
  const executablePath = findChromium(chromium);
  if (executablePath === undefined) throw new Error('no Chromium: set PORTCULLIS_TEST_CHROMIUM to the path of one');
  return chromium.launch({ executablePath, args: launchArguments });
}

function findChromium(chromium: BrowserType): string | undefined {
  const candidates = [process.env.PORTCULLIS_TEST_CHROMIUM, '/usr/bin/chromium', chromium.executablePath()];
  return candidates.find((candidate) => candidate && existsSync(candidate));
}
