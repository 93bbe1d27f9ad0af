import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Decisions } from './http-person.ts';

/** Somebody in front of a real browser, who finds their way by what the pages say. */
export type BrowserPerson = {
  context: BrowserContext;
  page: Page;
  /** Creates the first administrator with a set-up link. */
  setUp(link: string, account: { email: string; password: string }): Promise<void>;
  /** Opens an authorization URL, signs in and decides where asked, and gives the URL at which the browser came to rest. */
  authorize(url: string | URL, decisions: Decisions): Promise<URL>;
  close(): Promise<void>;
};

/** A person with a fresh profile in `browser`; a wait for a page or a control lasts 15 s at most. */
export async function createBrowserPerson(browser: Browser, options: { width?: number } = {}): Promise<BrowserPerson> {
  // Certificates of a throwaway authority are for clients in Node.js to verify: they are told of it, the browser is not.
  const viewport = { width: options.width ?? 1280, height: 900 };
  const context = await browser.newContext({ viewport, ignoreHTTPSErrors: true });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();

  return {
    context,
    page,
    async setUp(link, { email, password }) {
      await page.goto(link);
      await page.getByLabel('E-mail').fill(email);
      await page.getByLabel('Password').fill(password);
      await page.getByRole('button', { name: 'Create administrator' }).click();
      await page.getByRole('heading', { name: 'Portcullis is ready' }).waitFor();
    },
    async authorize(url, decisions) {
      const { origin } = new URL(url);
      await page.goto(String(url));
      if (await isAsked(page, { origin, button: 'Sign in' })) await signIn(page, decisions);
      if (await isAsked(page, { origin, button: 'Allow' })) await decide(page, decisions);
      await page.waitForURL((at) => at.origin !== origin);
      return new URL(page.url());
    },
    close: () => context.close(),
  };
}

async function signIn(page: Page, { email, password }: Decisions): Promise<void> {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

async function decide(page: Page, { decision = 'approve', scopes }: Decisions): Promise<void> {
  for (const box of scopes === undefined ? [] : await page.getByRole('checkbox').all()) {
    await box.setChecked(scopes?.includes(await box.inputValue()) ?? false);
  }
  await page.getByRole('button', { name: decision === 'approve' ? 'Allow' : 'Deny' }).click();
}

/** Waits until the browser is away from `origin`, or its page has the button. */
async function isAsked(page: Page, { origin, button }: { origin: string; button: string }): Promise<boolean> {
  const locator = page.getByRole('button', { name: button });
  const asked = locator.waitFor().then(() => true);
  const left = page.waitForURL((at) => at.origin !== origin).then(() => false);
  const other =
    button === 'Sign in'
      ? page
          .getByRole('button', { name: 'Allow' })
          .waitFor()
          .then(() => false)
      : left;
  asked.catch(() => {});
  left.catch(() => {});
  other.catch(() => {});
  return Promise.any([asked, left, other]).catch(async (cause: unknown) => {
    throw new Error(
      `neither asked nor sent on at ${new URL(page.url()).pathname}: ${await page.locator('body').innerText()}`,
      { cause },
    );
  });
}
