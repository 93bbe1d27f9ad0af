import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../../src/index.ts';
import { authorizationRequest, registerClient } from './support/authorization.ts';
import { type Federated, startFederated } from './support/sign-in-elsewhere.ts';

let federated: Federated;
let browser: Browser;

beforeAll(async () => {
  [federated, browser] = await Promise.all([startFederated(), launchChromium()]);
});

afterAll(async () => {
  await browser?.close();
  await federated?.stop();
});

test('PX-1: with an account elsewhere, a browser comes to our consent, to the app, and to its account page', async () => {
  await federated.third.misbehave({ claims: { email: 'ada@acme.example', email_verified: true } });
  const context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const client = await registerClient(federated.target, { client_name: 'Helper' });

  await page.goto(authorizationRequest(federated.target, client).url.href);
  await page.getByRole('button', { name: 'Continue with Third Party' }).click();
  await page.getByRole('heading', { name: 'The third party' }).waitFor();
  await page.getByLabel('Account').fill('ada');
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByRole('heading', { name: /Helper.*wants to use/ }).waitFor();
  // Nobody listens at the client's redirect URI.
  const [back] = await Promise.all([
    page.waitForRequest((sent) => sent.url().startsWith(client.redirectUri)),
    page.getByRole('button', { name: 'Allow' }).click(),
  ]);
  expect(new URL(back.url()).searchParams.get('code')).toEqual(expect.any(String));

  // The first page is on its way to nowhere.
  const account = await context.newPage();
  await account.goto(`${federated.server.issuer}/account`);
  await account.getByRole('heading', { name: 'How you sign in' }).waitFor();
  expect(await account.locator('body').innerText()).toMatch(/You have no password here[\s\S]*ada@acme\.example/);

  // The service knows this browser by now; an app that is new to the person is asked about all the same.
  const other = await registerClient(federated.target, { client_name: 'Free Prizes' });
  await context.clearCookies({ name: 'portcullis' });
  await account.goto(authorizationRequest(federated.target, other).url.href);
  await account.getByRole('button', { name: 'Continue with Third Party' }).click();
  await account.getByRole('heading', { name: /Free Prizes.*wants to use/ }).waitFor();
  await context.close();
});
