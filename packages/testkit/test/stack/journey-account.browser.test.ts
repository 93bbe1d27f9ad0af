import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { createHttpPerson, launchChromium } from '../../src/index.ts';
import type { Member } from './support/account.ts';
import { connect, join, refresh, signInAtAccount } from './support/account.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { registerClient, targetOf } from './support/authorization.ts';
import type { InProcess } from './support/in-process.ts';
import { startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const NEW_PASSWORD = 'a heron on the weir';

describe('the account page in a real browser', () => {
  let testDatabase: TestDatabase;
  let server: InProcess;
  let browser: Browser;
  let target: Target;
  let client: TestClient;

  beforeAll(async () => {
    [testDatabase, browser] = await Promise.all([createTestDatabase(), launchChromium()]);
    server = await startInProcess({ databaseUrl: testDatabase.url, env: OWNER_ENV });
    target = await targetOf(server);
    client = await registerClient(target, { client_name: 'Ticket helper' });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await testDatabase?.drop();
  });

  /** A tab that complains about nothing, with nothing to scroll sideways at its end. */
  const inTab = async (options: BrowserContextOptions, use: (tab: Page) => Promise<void>) => {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(15_000);
    const complaints: string[] = [];
    try {
      const tab = await context.newPage();
      tab.on('console', (message) => {
        // Chromium mentions each answer that is no success; a refused form is one.
        if (!message.text().includes('status of 400')) complaints.push(message.text());
      });
      await use(tab);
      const [wanted, given] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      expect(wanted).toBeLessThanOrEqual(given ?? 0);
    } finally {
      await context.close();
    }
    expect(complaints).toEqual([]);
  };

  const signIn = async (tab: Page, { email, password }: Pick<Member, 'email' | 'password'>) => {
    await tab.goto(`${server.issuer}/account`);
    await tab.getByLabel('E-mail').fill(email);
    await tab.getByLabel('Password').fill(password);
    await tab.keyboard.press('Enter');
  };

  test.each([
    ['in the light, wide', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
    ['in the dark, on a small phone', { colorScheme: 'dark', viewport: { width: 320, height: 640 }, isMobile: true }],
  ] as const)(
    '%s: what is connected is seen, narrowed and taken back; the other browser and the old password are out',
    async (how, options) => {
      const who = await join(server, `${how.replaceAll(/\W/g, '')}@example.com`);
      const person = createHttpPerson();
      const [first, second] = [
        await connect(target, client, { person, who }),
        await connect(target, client, { person, who }),
      ];

      await inTab(options, async (tab) => {
        await signIn(tab, who);
        await tab.getByRole('heading', { name: 'Your account', level: 1 }).waitFor();
        const app = tab.getByRole('article', { name: 'Ticket helper' });
        expect(await app.getByRole('button', { name: 'Disconnect', exact: true }).count()).toBe(2);

        // Both were allowed in the same second perhaps, so it is their forms that tell them apart.
        const installation = ({ grantId }: { grantId: string }) =>
          app.locator('.installation').filter({ has: tab.locator(`form[action*="${grantId}"]`) });
        await installation(first).getByText('Allow it less').click();
        await installation(first).getByLabel('Reply to tickets in your name').uncheck();
        await installation(first).getByRole('button', { name: 'Save' }).click();
        expect(await tab.getByRole('status').innerText()).toContain('Saved.');
        expect((await refresh(target, client, { token: first.refresh })).json?.scope).toBe('desk:read');

        await installation(second).getByRole('button', { name: 'Disconnect', exact: true }).click();
        expect(await tab.getByRole('status').innerText()).toContain('Disconnected.');
        expect((await refresh(target, client, { token: second.refresh })).status).toBe(400);

        await tab.getByRole('button', { name: 'Sign out everywhere else' }).click();
        expect(await tab.getByRole('status').innerText()).toContain('signed out everywhere else');
        expect(await tab.getByRole('article', { name: /this browser/ }).count()).toBe(1);

        await tab.getByText('Change your password').click();
        await tab.getByLabel('Present password').fill('not this one');
        await tab.getByLabel('New password').fill(NEW_PASSWORD);
        await tab.getByRole('button', { name: 'Change password' }).click();
        expect(await tab.getByRole('alert').innerText()).toContain('not your present password');
        await tab.getByLabel('Present password').fill(who.password);
        await tab.getByLabel('New password').fill(NEW_PASSWORD);
        await tab.getByRole('button', { name: 'Change password' }).click();
        expect(await tab.getByRole('status').innerText()).toContain('Your password is changed');
        await tab.getByText('No app may act in your name').waitFor();
      });
      const again = await signInAtAccount(server.issuer, createHttpPerson(), { ...who, password: NEW_PASSWORD });
      expect(again.url.pathname).toBe('/account');
    },
  );

  test('works without script, by keyboard alone', async () => {
    const who = await join(server, 'keyboard@example.com');
    const { refresh: token } = await connect(target, client, { person: createHttpPerson(), who });
    await inTab({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } }, async (tab) => {
      await signIn(tab, who);
      await tab.getByRole('heading', { name: 'Your account' }).waitFor();
      await pressOn(tab, 'Disconnect');
      await tab.getByText('No app may act in your name').waitFor();
      await pressOn(tab, 'Sign out');
      await tab.getByRole('heading', { name: 'You are signed out' }).waitFor();
    });
    expect((await refresh(target, client, { token })).status).toBe(400);
  });
});

/** Reaches a button by the Tab key, and presses it. */
async function pressOn(tab: Page, name: string): Promise<void> {
  for (let stop = 0; stop < 40; stop++) {
    await tab.keyboard.press('Tab');
    const focused = await tab.evaluate(() => {
      const element = document.activeElement;
      return element?.tagName === 'BUTTON' ? element.textContent : undefined;
    });
    if (focused !== name) continue;
    await Promise.all([tab.waitForEvent('framenavigated'), tab.keyboard.press('Enter')]);
    return;
  }
  throw new Error(`no way to ${name} by keyboard`);
}
