import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page as Tab } from 'playwright-core';
import { assets } from '../src/pages/assets.ts';
import { renderDocument } from '../src/pages/document.ts';
import { samplePages } from './pages-samples.ts';

const ATTACK = '"><script>document.title="owned"</script><img src=x onerror=document.title="owned">';
const POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
/** All rules are run; of those that a page passes, we are told the number and not every element. */
const RUN_AXE = `axe
  .run({
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  })
  .then(({ violations, passes }) => ({ violations, passed: passes.length }))`;
type Found = { violations: axe.Result[]; passed: number };
const pageNames = Object.keys(samplePages());

let browser: Browser;
let server: Server;
let origin: string;
let posted: URLSearchParams | undefined;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const asset = assets.find(({ path }) => path === request.url);
    if (asset) return response.setHeader('content-type', asset.contentType).end(asset.body);
    response.setHeader('content-type', 'text/html; charset=utf-8').setHeader('content-security-policy', POLICY);
    if (request.method === 'POST') {
      posted = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
      return response.end('posted');
    }
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
    const page = samplePages(search === '?attack' ? ATTACK : undefined)[pathname.slice(1)];
    return response.end(page === undefined ? '' : renderDocument(page));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The test server has no port');
  origin = `http://127.0.0.1:${address.port}`;
  browser = await chromium.launch({
    executablePath: process.env.PORTCULLIS_TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

async function inTab(options: BrowserContextOptions, use: (tab: Tab) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ...options });
  try {
    await use(await context.newPage());
  } finally {
    await context.close();
  }
}

describe.each(['light', 'dark'] as const)('in the %s scheme', (colorScheme) => {
  test('no page has an accessibility fault that axe can find', async () => {
    await inTab({ colorScheme }, async (tab) => {
      const faults: string[] = [];
      for (const name of pageNames) {
        await tab.goto(`${origin}/${name}`);
        await tab.evaluate(() =>
          document.querySelectorAll('details').forEach((details) => {
            details.open = true;
          }),
        );
        await tab.evaluate(AXE);
        const { violations, passed } = await tab.evaluate<Found>(RUN_AXE);
        expect(passed).toBeGreaterThan(10);
        faults.push(...violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0]?.html}`));
      }
      expect(faults).toEqual([]);
    });
  });
});

test('every page loads under a strict policy without a complaint, and hostile text stays text', async () => {
  await inTab({}, async (tab) => {
    const complaints: string[] = [];
    tab.on('console', (message) => complaints.push(message.text()));
    tab.on('pageerror', (error) => complaints.push(error.message));
    for (const name of pageNames) {
      await tab.goto(`${origin}/${name}?attack`);
      expect(
        await tab.evaluate(() => document.querySelectorAll('script, [onerror], [style], body img[src="x"]').length),
      ).toBe(0);
      expect(await tab.title()).not.toBe('owned');
    }
    expect(complaints).toEqual([]);
  });
});

test('no page needs sideways scrolling on a small phone, and every control can be hit with a thumb', async () => {
  await inTab({ viewport: { width: 320, height: 640 }, isMobile: true }, async (tab) => {
    for (const name of pageNames) {
      await tab.goto(`${origin}/${name}`);
      await tab.evaluate(() =>
        document.querySelectorAll('details').forEach((details) => {
          details.open = true;
        }),
      );
      expect([name, await tab.evaluate(() => document.documentElement.scrollWidth)]).toEqual([name, 320]);
      const heights = await tab.evaluate(() =>
        Array.from(
          document.querySelectorAll('button, summary, .field input, .scopes label'),
          (control) => control.getBoundingClientRect().height,
        ),
      );
      for (const height of heights) expect(height).toBeGreaterThanOrEqual(44);
    }
  });
});

test('the brackets around “unverified” stay beside it, however long the name before it is', async () => {
  await inTab({ viewport: { width: 320, height: 640 }, isMobile: true }, async (tab) => {
    await tab.goto(`${origin}/login-unverified`);
    const torn = await tab.evaluate(() => {
      const badge = document.querySelector('.badge');
      const name = document.querySelector('p .name');
      const middleOf = ({ top, height }: DOMRect) => top + height / 2;
      const characterBeside = (step: -1 | 1): DOMRect | undefined => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        if (!badge?.firstChild) return;
        walker.currentNode = badge.firstChild;
        const text = step < 0 ? walker.previousNode() : walker.nextNode();
        if (!text) return;
        const range = document.createRange();
        const at = step < 0 ? (text.textContent?.length ?? 0) - 1 : 0;
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        return range.getBoundingClientRect();
      };
      if (!badge || !name) return ['nothing to compare'];
      const at: string[] = [];
      const own = badge.getBoundingClientRect();
      for (let letters = 1; letters < 40; letters++) {
        name.textContent = 'n'.repeat(letters);
        const badgeAt = middleOf(badge.getBoundingClientRect());
        for (const beside of [characterBeside(-1), characterBeside(1)])
          if (!beside || Math.abs(middleOf(beside) - badgeAt) > own.height / 2) at.push(`after ${letters} letters`);
      }
      return at;
    });
    expect(torn).toEqual([]);
  });
});

describe('by keyboard', () => {
  test('a problem has the focus when the page opens', async () => {
    await inTab({}, async (tab) => {
      await tab.goto(`${origin}/login-problem`);
      // The browser moves the focus when it paints, which can be after the page has loaded.
      await tab.waitForFunction(() => document.activeElement?.id === 'problem');
      await tab.keyboard.press('Tab');
      expect(await tab.evaluate(() => document.activeElement?.id)).toBe('email');
    });
  });

  test('every control shows where the focus is', async () => {
    await inTab({}, async (tab) => {
      await tab.goto(`${origin}/consent`);
      for (let stop = 0; stop < 6; stop += 1) {
        await tab.keyboard.press('Tab');
        const outline = await tab.evaluate(() => {
          const focused = document.activeElement;
          const shown = focused?.closest('.scopes label') ?? focused;
          return shown && shown !== document.body ? getComputedStyle(shown).outline : 'nothing';
        });
        expect(outline).toMatch(/solid 3px/);
      }
    });
  });

  test('Enter in the password field signs in', async () => {
    await inTab({}, async (tab) => {
      await tab.goto(`${origin}/login`);
      await tab.getByLabel('E-mail').fill('ada@example.com');
      await tab.getByLabel('Password').fill('a few words together');
      await Promise.all([tab.waitForURL('**/interaction/abc'), tab.keyboard.press('Enter')]);
      expect(posted?.get('action')).toBe('login');
    });
  });

  test('a stray Enter on the consent page never allows anything', async () => {
    await inTab({}, async (tab) => {
      await tab.goto(`${origin}/consent`);
      await tab.getByLabel('Read tickets').focus();
      await Promise.all([tab.waitForURL('**/interaction/abc'), tab.keyboard.press('Enter')]);
      expect(posted?.get('action')).toBe('deny');
    });
  });
});

test('the consent form posts exactly the scopes that are ticked', async () => {
  await inTab({ javaScriptEnabled: false }, async (tab) => {
    await tab.goto(`${origin}/consent`);
    await tab.getByLabel('Reply to tickets').uncheck();
    await Promise.all([tab.waitForURL('**/interaction/abc'), tab.getByRole('button', { name: 'Allow' }).click()]);
    expect(posted?.getAll('scope')).toEqual(['desk:read']);
    expect(posted?.get('action')).toBe('approve');
    expect(posted?.get('form_token')).toBe('form-token');
  });
});
