import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { createHttpPerson, requestToken } from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import { authorizationRequest, type Target, targetOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const SECRET = 'the-secret-of-a-resource-server-in-a-test-43';
const ID = 'server-of-the-desk';

let database: TestDatabase;
let server: InProcess;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  target = await targetOf(server);
  await createClientStore(server.database).register({
    metadata: {
      client_id: ID,
      client_name: 'Support desk',
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [],
      grant_types: [],
      response_types: [],
    },
    registration: 'manual',
    resourceServer: server.mcpUrl,
    secret: SECRET,
    permissions: { firstParty: true, allowedScopes: [], allowedResources: [] },
    now: new Date(),
  });
});

afterAll(async () => {
  await server?.close();
  await database?.drop();
});

const basic = (secret: string) => ({ authorization: `Basic ${Buffer.from(`${ID}:${secret}`).toString('base64')}` });

describe('the client that the server of a resource is', () => {
  test('authenticates with its own secret and no other, and gets no token by any grant', async () => {
    for (const grant of [
      { grant_type: 'client_credentials', resource: server.mcpUrl, scope: 'desk:read' },
      { grant_type: 'client_credentials', resource: `${server.issuer}/admin`, scope: 'admin:users' },
      { grant_type: 'authorization_code', code: 'a', redirect_uri: 'http://localhost:9/callback', code_verifier: 'b' },
      { grant_type: 'refresh_token', refresh_token: 'a' },
    ]) {
      expect(await requestToken(target.server, grant, { headers: basic(SECRET) })).toMatchObject({
        status: 400,
        json: { error: expect.stringMatching(/^(unauthorized_client|invalid_request)$/) },
      });
      expect(await requestToken(target.server, grant, { headers: basic('wrong') })).toMatchObject({
        status: 401,
        json: { error: 'invalid_client' },
      });
    }
  });

  test('cannot send a user to the login', async () => {
    for (const redirectUri of ['http://localhost:9/callback', 'http://127.0.0.1:9/', server.mcpUrl]) {
      const { url } = authorizationRequest(target, { id: ID, secret: SECRET, redirectUri });
      const step = await createHttpPerson().open(url);
      expect(step).toMatchObject({ kind: 'page', answer: { status: 400 }, forms: [] });
    }
  });

  test('is shown as what it is, and cannot be made into a client that gets tokens', async () => {
    const { access: token } = await adminTokens(target, { scope: 'admin:clients' });
    const path = `/clients/${ID}`;
    const shown = { id: ID, resourceServer: server.mcpUrl, grantTypes: [], redirectUris: [], scopes: [] };
    expect(await callAdmin(server.issuer, { token, path })).toMatchObject({ status: 200, json: { client: shown } });
    for (const body of [
      { redirectUris: ['http://127.0.0.1/callback'] },
      { scopes: ['desk:admin'] },
      { scopes: null },
      { resources: [server.mcpUrl] },
      { resources: null },
      { name: 'Renamed', resources: null },
    ]) {
      expect(await callAdmin(server.issuer, { token, method: 'PATCH', path, body })).toMatchObject({ status: 409 });
    }
    const renamed = await callAdmin(server.issuer, { token, method: 'PATCH', path, body: { name: 'Desk' } });
    expect(renamed).toMatchObject({ status: 200, json: { client: { ...shown, name: 'Desk' } } });
  });
});
