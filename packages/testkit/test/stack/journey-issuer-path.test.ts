import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { callMcp, sendJson } from '../../src/attacker.ts';
import type { ClientApplication } from '../../src/clients/client-application.ts';
import { createSdkV1Client } from '../../src/clients/sdk-v1-client.ts';
import { createSdkV2Client } from '../../src/clients/sdk-v2-client.ts';
import { createHttpPerson, plainText } from '../../src/http-person.ts';
import { sendRaw } from '../../src/raw-request.ts';
import { act, isAccountPage, signInAtAccount } from './support/account.ts';
import { openDeskUsers } from './support/desk-users.ts';
import type { PreparedStack } from './support/journey.ts';
import { administrator, openAs, startPreparedStack } from './support/journey.ts';

describe('an issuer with a path', () => {
  let stack: PreparedStack;
  let origin: string;
  const applications: ClientApplication[] = [];

  beforeAll(async () => {
    stack = await startPreparedStack({ issuerPath: '/tenant' });
    ({ origin } = new URL(stack.issuer));
  });

  afterEach(async () => {
    await Promise.all(applications.splice(0).map((application) => application.close()));
  });

  afterAll(() => stack?.stop());

  it('AS-4, AS-3, CL-3, CL-16, CL-17: three well-known documents say the same, and each endpoint is below the path', async () => {
    const paths = [
      '/.well-known/oauth-authorization-server/tenant',
      '/.well-known/openid-configuration/tenant',
      '/tenant/.well-known/openid-configuration',
    ];
    const [first, ...others] = await Promise.all(paths.map((path) => sendJson(origin + path, {})));
    for (const { status, json } of others) expect({ status, json }).toEqual({ status: 200, json: first?.json });
    const endpoints = Object.entries(first?.json ?? {}).filter(([name]) => /_endpoint$|_uri$/.test(name));
    expect(endpoints.length).toBeGreaterThanOrEqual(5);
    for (const [, url] of endpoints) expect(url).toMatch(`${origin}/tenant/`);
    expect(first?.json).toMatchObject({ issuer: `${origin}/tenant` });
  });

  it('AS-4: at the root there is nothing of this issuer, and nothing to be misled by', async () => {
    const paths = [
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
      '/authorize',
      '/token',
    ];
    for (const path of paths)
      expect({ path, status: (await sendJson(origin + path, {})).status }).toEqual({ path, status: 404 });
  });

  it('RS-2: the challenge leads to metadata that names the issuer with its path', async () => {
    const challenge = String((await callMcp(stack.mcpUrl)).headers['www-authenticate']);
    const [, metadataUrl = ''] = /resource_metadata="([^"]+)"/.exec(challenge) ?? [];
    const { json } = await sendJson(metadataUrl, {});
    expect(json).toMatchObject({ resource: stack.mcpUrl, authorization_servers: [`${origin}/tenant`] });
  });

  it.each([
    ['SDK v1', createSdkV1Client],
    ['SDK v2', createSdkV2Client],
  ])('%s signs in, calls a tool, refreshes and calls again', async (_name, create) => {
    const person = createHttpPerson();
    const application = await create({ mcpUrl: stack.mcpUrl, openInBrowser: openAs(person) });
    applications.push(application);
    await application.connect();
    expect(await application.callTool('whoami')).toMatchObject({ isError: false });
    application.spoilAccessToken();
    expect(await application.callTool('whoami')).toMatchObject({ isError: false });
    expect(application.stored.tokens).toHaveLength(2);
    // What the browser keeps is kept for this issuer alone, but for the session, whose cookie is at the root.
    const paths = person.cookies.entries().map(({ path }) => path);
    expect(paths.filter((path) => path !== '/' && !path.startsWith('/tenant/'))).toEqual([]);
  });

  it('SP-12: the account page works below the path, with its forms and cookies', async () => {
    const person = createHttpPerson();
    expect((await person.open(stack.issuer)).url.href).toBe(`${stack.issuer}/account/sign-in`);
    const page = await signInAtAccount(stack.issuer, person, administrator);
    expect({ url: page.url.href, isAccount: isAccountPage(page) }).toEqual({
      url: `${stack.issuer}/account`,
      isAccount: true,
    });
    const paths = person.cookies.entries().map(({ path }) => path);
    expect(paths.filter((path) => path !== '/' && !path.startsWith('/tenant/'))).toEqual([]);
    const out = await act(person, page, { path: '/sign-out', action: 'sign-out' });
    expect(plainText(out.answer.text)).toContain('You are signed out');
  });

  it('a page below the path finds its style, and its one-time links lead below the path too', async () => {
    const users = await openDeskUsers(stack);
    const { link } = await users.invite('grace@example.com', ['agent']);
    await users.close();
    const person = createHttpPerson();
    const page = await person.open(link);
    expect(page.url.href).toBe(`${stack.issuer}/password`);

    const [, href = ''] = /<link rel="stylesheet" href="([^"]+)"/.exec(page.answer.text) ?? [];
    const style = await sendRaw(new URL(href, page.url));
    expect({ status: style.status, type: style.headers['content-type'] }).toEqual({
      status: 200,
      type: expect.stringContaining('text/css'),
    });
    expect((await person.submit(page, { password: 'a wren in the hedge' })).answer.status).toBe(200);
  });
});
