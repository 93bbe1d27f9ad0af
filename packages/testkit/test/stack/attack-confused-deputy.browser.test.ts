import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../../src/index.ts';
import { authorizationRequest, redeem, registerClient, type TestClient, tokensOf } from './support/authorization.ts';
import { OWNER } from './support/owner.ts';
import { exchange, type Proxied, startProxied } from './support/upstream.ts';

let proxied: Proxied;
let browser: Browser;

beforeAll(async () => {
  [proxied, browser] = await Promise.all([startProxied(), launchChromium()]);
});

afterAll(async () => {
  await browser?.close();
  await proxied?.stop();
});

/** How often somebody has come to the third party's authorization endpoint. */
const visits = async () => (await proxied.third.requests()).filter(({ url }) => url.includes('/authorize')).length;

/** Follows a link, and gives where the browser comes to rest: at one of our pages, or at the client. */
async function follow(page: Page, client: TestClient, scope: string) {
  const request = authorizationRequest(proxied.target, client, { scope });
  // Nobody listens at the clients' redirect URIs.
  await page.goto(request.url.href).catch(() => {});
  return request;
}

const arrived = (page: Page, client: TestClient) =>
  page.waitForRequest((sent) => sent.url().startsWith(client.redirectUri));

/**
 * The attack of the MCP security best practices: the victim has agreed once, so the third party's cookie lets this
 * server's one client through without a question. The attacker registers a client of their own and sends a link.
 */
test('PX-1, PX-2: the third party remembers consent, and the attacker’s client gets no code and no way there', async () => {
  const context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();

  const honest = await registerClient(proxied.target, { client_name: 'Repo reader' });
  const first = await follow(page, honest, 'repos:read');
  await page.getByLabel('E-mail').fill(OWNER.email);
  await page.getByLabel('Password').fill(OWNER.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'It also reaches your account at Third Party' }).waitFor();
  expect(await visits()).toBe(0);
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.getByRole('heading', { name: 'The third party' }).waitFor();
  const [back] = await Promise.all([arrived(page, honest), page.getByRole('button', { name: 'Allow' }).click()]);
  const code = { code: new URL(back.url()).searchParams.get('code') ?? '', verifier: first.verifier };
  const { access } = tokensOf(await redeem(proxied.target, honest, { code }));
  expect((await exchange(proxied, access)).status).toBe(200);
  const before = await visits();

  // The third party would let this browser through without a question.
  const cookies = await context.cookies(proxied.third.issuer);
  expect(cookies.map(({ name }) => name)).toContain('third-party');

  const attacker = await registerClient(proxied.target, {
    client_name: 'Free Prizes',
    redirect_uris: ['http://127.0.0.1:9/steal'],
  });
  const stolen: string[] = [];
  page.on('request', (sent) => {
    if (sent.url().startsWith(attacker.redirectUri)) stolen.push(sent.url());
  });
  for (const scope of ['repos:read', 'repos:read repos:write']) {
    await follow(page, attacker, scope);
    // The link shows our page for that very client, names what it wants there and where it would go, and waits.
    await page.getByRole('heading', { name: /Free Prizes.*wants to use/ }).waitFor();
    expect(await page.locator('body').innerText()).toMatch(/127\.0\.0\.1[\s\S]*Third Party[\s\S]*repo:read/);
  }
  expect(stolen).toEqual([]);
  expect(await visits()).toBe(before);
  const tracking = (await context.cookies()).filter(({ name }) => name.includes('portcullis-upstream'));
  expect(tracking).toEqual([]);

  // Granted something else, the attacker's client has a token; the user's connection is no use to it.
  const other = await follow(page, attacker, 'plain:read');
  const [left] = await Promise.all([arrived(page, attacker), page.getByRole('button', { name: 'Allow' }).click()]);
  const taken = { code: new URL(left.url()).searchParams.get('code') ?? '', verifier: other.verifier };
  const theirs = tokensOf(await redeem(proxied.target, attacker, { code: taken }));
  expect((await exchange(proxied, theirs.access)).json).toMatchObject({ error: 'invalid_target' });
  expect(await visits()).toBe(before);
  await context.close();
});
