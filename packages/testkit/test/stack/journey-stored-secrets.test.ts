import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ClientApplication, ClientOptions, SignInRecord } from '../../src/clients/client-application.ts';
import { secretsOf } from '../../src/clients/client-application.ts';
import { createSdkV1Client } from '../../src/clients/sdk-v1-client.ts';
import { createSdkV2Client } from '../../src/clients/sdk-v2-client.ts';
import { dumpDatabase, dumpText } from '../../src/database-dump.ts';
import { createHttpPerson } from '../../src/http-person.ts';
import type { Stack } from '../../src/stack.ts';
import { startStack } from '../../src/stack.ts';

const account = { email: 'owner@example.com', password: 'four plain words together' };
const confidential = { token_endpoint_auth_method: 'client_secret_basic' };

const applications: [string, (options: ClientOptions) => Promise<ClientApplication>][] = [
  ['SDK v1', createSdkV1Client],
  ['SDK v2', createSdkV2Client],
  ['SDK v2, confidential', (options) => createSdkV2Client({ ...options, metadata: confidential })],
];

describe('what the servers keep of a sign-in', () => {
  let stack: Stack;
  let setupToken: string;
  const person = createHttpPerson();
  const records: SignInRecord[] = [];

  beforeAll(async () => {
    stack = await startStack();
    const link = await stack.setupLink();
    setupToken = new URL(link).searchParams.get('token') ?? '';
    await person.setUp(link, account);
  }, 120_000);

  afterAll(() => stack?.stop());

  it.each(applications)('%s signs in, calls, refreshes and calls again', async (_, create) => {
    const openInBrowser = async (url: URL) => fetch(await person.authorize(url, account));
    const application = await create({ mcpUrl: stack.mcpUrl, openInBrowser });
    records.push(application.stored);
    try {
      await application.connect();
      expect(await application.callTool('whoami')).toMatchObject({ isError: false });
      application.spoilAccessToken();
      expect(await application.callTool('search_tickets')).toMatchObject({ isError: false });
      expect(application.stored.tokens).toHaveLength(2);
      expect(application.stored.authorizationUrls).toHaveLength(1);
    } finally {
      await application.close();
    }
  });

  it('no table holds a token, a code, a verifier, a secret, a cookie or a password in clear', async () => {
    const cookies = person.cookies.entries().map(({ value }) => value);
    const secrets = [account.password, setupToken, ...cookies, ...records.flatMap(secretsOf)];
    // Of each sign-in: two access tokens, two refresh tokens, a code and a verifier; one has a client secret.
    expect(records.flatMap(secretsOf)).toHaveLength(3 * 6 + 1);
    const dumps = await Promise.all(Object.values(stack.databases).map(dumpDatabase));
    const text = dumps.map(dumpText).join('\n');

    // The dump does hold what happened.
    const clientIds = records.flatMap(({ clientInformation }) => clientInformation.map(({ client_id }) => client_id));
    expect(clientIds).toHaveLength(3);
    expect(clientIds.filter((id) => !text.includes(id))).toEqual([]);
    expect(text).toContain(account.email);
    // Each has refreshed once, and could be given the answer again.
    expect(text.match(/"sealedAnswer":"v1\./g)).toHaveLength(3);

    expect(secrets.filter((secret) => text.includes(secret)).length).toBe(0);
  });

  it('no log line holds one either, and the set-up token stands in its link alone', () => {
    const cookies = person.cookies.entries().map(({ value }) => value);
    const logs = stack.logs();
    expect(logs.split(setupToken)).toHaveLength(2);
    expect([account.password, ...cookies, ...records.flatMap(secretsOf)].filter((it) => logs.includes(it)).length).toBe(
      0,
    );
  });
});
