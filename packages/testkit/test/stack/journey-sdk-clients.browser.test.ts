import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { readToken } from '../../src/attacker.ts';
import type { BrowserPerson } from '../../src/browser-person.ts';
import { createBrowserPerson } from '../../src/browser-person.ts';
import { launchChromium } from '../../src/chromium.ts';
import type { ClientApplication, ClientOptions } from '../../src/clients/client-application.ts';
import { createSdkV1Client } from '../../src/clients/sdk-v1-client.ts';
import { createSdkV2Client } from '../../src/clients/sdk-v2-client.ts';
import { pollUntil } from '../../src/poll.ts';
import type { Stack } from '../../src/stack.ts';
import { startStack } from '../../src/stack.ts';
import { administrator } from './support/journey.ts';

const accessTokenTtlSeconds = 5;

const sdks: [string, (options: ClientOptions) => Promise<ClientApplication>][] = [
  ['SDK v1', createSdkV1Client],
  ['SDK v2 by default', createSdkV2Client],
  ['SDK v2 that negotiates', (options) => createSdkV2Client({ ...options, mode: 'auto' })],
];

describe('from the bare MCP URL to a tool, with a real browser', () => {
  let stack: Stack;
  let browser: Browser;
  let owner: BrowserPerson;
  /** Buttons that the owner pressed, in their order. */
  let pressed: string[];
  const applications = new Map<string, ClientApplication>();

  beforeAll(async () => {
    [stack, browser] = await Promise.all([
      startStack({ authorizationServer: { PORTCULLIS_ACCESS_TOKEN_TTL: String(accessTokenTtlSeconds) } }),
      launchChromium(),
    ]);
    owner = await createBrowserPerson(browser);
    owner.page.on('request', (request) => {
      const action = request.method() === 'POST' && new URLSearchParams(request.postData() ?? '').get('action');
      if (action) pressed.push(action);
    });
  });

  afterAll(async () => {
    await Promise.all([...applications.values()].map((application) => application.close()));
    await browser?.close();
    await stack?.stop();
  });

  it('the set-up link makes the first administrator in the browser, once', async () => {
    pressed = [];
    const link = await stack.setupLink();
    await owner.setUp(link, administrator);
    expect(owner.page.url()).toBe(`${stack.issuer}/setup`);

    await owner.page.goto(link);
    expect(await owner.page.locator('body').innerText()).toMatch(/link/);
    expect(await owner.page.getByLabel('Password').count()).toBe(0);
  });

  it.each(sdks)(
    'PX-1: %s signs in through the browser, with a consent of its own, and calls a tool',
    async (name, create) => {
      pressed = [];
      const application = await create({
        mcpUrl: stack.mcpUrl,
        openInBrowser: (url) => owner.authorize(url, administrator),
      });
      applications.set(name, application);
      await application.connect();

      // Only the first one in this browser asks for the password; every one asks for consent.
      expect(pressed).toEqual(applications.size === 1 ? ['login', 'approve'] : ['approve']);
      expect(await owner.page.getByRole('heading').innerText()).toBe('Back at the client');
      expect(application.stored.authorizationUrls).toHaveLength(1);
      await expectTools(application);
    },
  );

  it.each(sdks)('AS-19: %s refreshes when its access token has expired, and calls again', async (name) => {
    const application = applications.get(name);
    if (!application) throw new Error('has not signed in');
    const answer = await pollUntil(
      async () => {
        const { structured } = await application.callTool('whoami');
        return application.stored.tokens.length > 1 && { structured };
      },
      { what: 'a refresh', intervalMs: 250 },
    );

    const [first, second] = application.stored.tokens.map(({ access_token }) => readToken(access_token).claims);
    expect(second).toMatchObject({ gid: first?.gid, sub: first?.sub, aud: stack.mcpUrl, scope: first?.scope });
    expect(second?.jti).not.toBe(first?.jti);
    expect(answer.structured).toMatchObject({ subject: first?.sub, client: first?.client_id });
    expect(application.stored.authorizationUrls).toHaveLength(1);
    await expectTools(application);
  });

  it('another browser is asked for the password, and a refusal reaches the client as one', async () => {
    const stranger = await createBrowserPerson(browser);
    const seen: string[] = [];
    const application = await createSdkV2Client({
      mcpUrl: stack.mcpUrl,
      openInBrowser: async (url) => {
        await stranger.page.goto(url.href);
        seen.push(await stranger.page.getByRole('heading', { level: 1 }).innerText());
        return stranger.authorize(url, { ...administrator, decision: 'deny' });
      },
    });
    applications.set('at another browser', application);
    await expect(application.connect()).rejects.toThrow('access_denied');
    expect(seen).toEqual([expect.stringMatching(/sign in/i)]);
    expect(application.stored.tokens).toEqual([]);
    await stranger.close();
  });
});

/** The desk's tools for desk:read: what a client gets that knows nothing but the MCP URL. */
async function expectTools(application: ClientApplication): Promise<void> {
  expect(await application.listTools()).toEqual(
    expect.arrayContaining(['whoami', 'search_tickets', 'read_ticket', 'get_customer']),
  );
  const found = await application.callTool('search_tickets', { limit: 3 });
  expect(found).toMatchObject({ isError: false, structured: { tickets: { length: 3 } } });
}
