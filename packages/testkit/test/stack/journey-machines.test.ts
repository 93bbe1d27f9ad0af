import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  Client,
  ClientCredentialsProvider,
  type OAuthClientProvider,
  PrivateKeyJwtProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { createClientStore } from '@portcullis/persistence';
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { readToken, sendJson } from '../../src/index.ts';
import { type ServersWithDesk, startServersWithDesk } from './support/desk-beside.ts';

const EXTENSION = 'io.modelcontextprotocol/oauth-client-credentials';
const SECRET = 'the secret of a machine, which is 43 characters long';

let servers: ServersWithDesk;
let privateKey: string;

beforeAll(async () => {
  servers = await startServersWithDesk({});
  const keys = await generateKeyPair('ES256', { extractable: true });
  privateKey = await exportPKCS8(keys.privateKey);
  const publicKey = await exportJWK(keys.publicKey);
  await registerMachine('with-basic', { token_endpoint_auth_method: 'client_secret_basic' });
  await registerMachine('with-post', { token_endpoint_auth_method: 'client_secret_post' });
  await registerMachine('with-key', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [publicKey] } });
});

afterAll(() => servers?.close());

function registerMachine(id: string, metadata: Record<string, unknown>) {
  const { database, mcpUrl, now } = servers.server;
  const machine = { redirect_uris: [], grant_types: ['client_credentials'], response_types: [] };
  return createClientStore(database).register({
    metadata: { client_id: id, client_name: id, ...machine, ...metadata },
    permissions: { firstParty: false, allowedResources: [mcpUrl], allowedScopes: ['desk:read'] },
    registration: 'manual',
    ...(metadata.jwks === undefined && { secret: SECRET }),
    now: now(),
  });
}

/** Connects with nothing but the URL of the MCP server and what the provider knows. */
async function connect(authProvider: OAuthClientProvider): Promise<Client> {
  const client = new Client({ name: 'machine', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(servers.server.mcpUrl), { authProvider }));
  return client;
}

const withSecret = (clientId: string, clientSecret = SECRET) =>
  new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer: servers.server.issuer });
const withKey = (key = privateKey) =>
  new PrivateKeyJwtProvider({
    ...{ clientId: 'with-key', privateKey: key, algorithm: 'ES256' },
    expectedIssuer: servers.server.issuer,
  });

describe('the client-credentials extension of MCP', () => {
  test('EX-3 EX-4: the metadata names the grant, the ways to authenticate, and the algorithms of assertions', async () => {
    const { json } = await sendJson(`${servers.server.issuer}/.well-known/oauth-authorization-server`, {});
    expect(json).toMatchObject({
      grant_types_supported: expect.arrayContaining(['client_credentials']),
      token_endpoint_auth_methods_supported: expect.arrayContaining([
        'private_key_jwt',
        'client_secret_basic',
        'client_secret_post',
      ]),
      token_endpoint_auth_signing_alg_values_supported: expect.arrayContaining(['ES256']),
    });
  });

  test.each([
    ['with-basic', () => withSecret('with-basic')],
    ['with-post', () => withSecret('with-post')],
    ['with-key', () => withKey()],
  ])('EX-1 EX-2 EX-5: the SDK’s own provider gets a machine in from the bare MCP URL (%s)', async (id, provider) => {
    const authProvider = provider();
    const client = await connect(authProvider);
    try {
      expect(client.getServerCapabilities()?.extensions).toHaveProperty([EXTENSION]);
      const { structuredContent } = await client.callTool({ name: 'whoami', arguments: {} });
      expect(structuredContent).toMatchObject({ subject: id, client: id, scopes: ['desk:read'] });
    } finally {
      await client.close();
    }
    const tokens = await authProvider.tokens();
    expect(tokens).not.toHaveProperty('refresh_token');
    expect(readToken(tokens?.access_token ?? '').claims).toMatchObject({ aud: servers.server.mcpUrl, sub: id });
  });

  test('EX-2: a wrong secret and another key get nobody in', async () => {
    const { privateKey: other } = await generateKeyPair('ES256', { extractable: true });
    for (const provider of [withSecret('with-basic', 'guessed'), withKey(await exportPKCS8(other))])
      await expect(connect(provider)).rejects.toThrow();
  });
});
