import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createUserStore } from '@portcullis/persistence';
import { ADMIN_OPERATIONS } from '@portcullis/platform';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { exportJWK, generateKeyPair } from 'jose';
import { asks, createHttpPerson, type HttpPerson, readToken, requestToken } from '../../src/index.ts';
import { ALL_ADMIN_SCOPES, adminTokens, COMMAND_LINE, callAdmin } from './support/administration.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  shownError,
  type Target,
  type TestClient,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

let database: TestDatabase;
let server: InProcess;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  const mixed = { ...documentOf(MIXED_CLIENT), redirect_uris: ['http://localhost/cb', 'https://localhost:3000/cb'] };
  const pinned = { [DOCUMENT_CLIENT.id]: documentOf(DOCUMENT_CLIENT), [MIXED_CLIENT.id]: mixed };
  const configuration = { clientMetadataDocuments: { pinned } };
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration });
  target = await targetOf(server);
});

afterAll(async () => {
  await server?.close();
  await database?.drop();
});

/** A client that names itself by a document, and takes the name of the command line. */
const DOCUMENT_CLIENT: TestClient = {
  id: 'https://evil.example/client.json',
  secret: undefined,
  redirectUri: 'https://evil.example/callback',
};

/** A client whose document lists what a native app cannot have beside what it can. */
const MIXED_CLIENT: TestClient = {
  id: 'https://mixed.example/client.json',
  secret: undefined,
  redirectUri: 'http://localhost:5/cb',
};

function documentOf({ id, redirectUri }: TestClient): Record<string, unknown> {
  return {
    client_id: id,
    client_name: 'Portcullis command line',
    redirect_uris: [redirectUri],
    scope: ALL_ADMIN_SCOPES,
  };
}

const adminResource = () => `${server.issuer}/admin`;

/** Asks for administration as the command line does, up to the first page. */
const openAdminRequest = (person: HttpPerson, changes: Record<string, string | undefined> = {}) =>
  person.open(
    authorizationRequest(target, COMMAND_LINE, { resource: adminResource(), scope: ALL_ADMIN_SCOPES, ...changes }).url,
  );

describe('clients that can sign in, or are refused at once', () => {
  const signsIn = async (client: TestClient, changes: Record<string, string | undefined> = {}) => {
    const person = createHttpPerson();
    const first = await person.open(authorizationRequest(target, client, changes).url);
    return person.submit(first, { ...OWNER, action: 'login' });
  };
  const registerByHand = async (body: Record<string, unknown>) => {
    const { access } = await adminTokens(target);
    return callAdmin(server.issuer, { token: access, method: 'POST', path: '/clients', body });
  };

  test('AS-37: a document that lists https on loopback beside a native app’s own: the app signs in', async () => {
    expect(asks(await signsIn(MIXED_CLIENT), 'approve')).toBe(true);
  });

  test('AS-37: an administrator is told which redirect URIs cannot stand together', async () => {
    const redirectUris = ['http://localhost/cb', 'https://localhost:3000/cb', 'http://127.0.0.2/cb'];
    const refused = await registerByHand({ name: 'Mixed', redirectUris });
    expect(refused.status).toBe(400);
    expect(refused.text).toContain(
      'cannot be used: https://localhost:3000/cb, http://127.0.0.2/cb (https on a loopback',
    );
    for (const uri of ['https://localhost:3000/cb', 'http://localhost/cb']) {
      const made = await registerByHand({ name: 'Alone', redirectUris: [uri] });
      const id = String(Object(made.json?.client).id);
      expect(asks(await signsIn({ id, secret: undefined, redirectUri: uri }), 'approve')).toBe(true);
    }
  });

  test('CL-12: a client that is limited to scopes and asks for none gets those, and not what it never asked for', async () => {
    const redirectUri = 'https://app.example/cb';
    const made = await registerByHand({ name: 'Writer', redirectUris: [redirectUri], scopes: ['desk:write'] });
    const client = { id: String(Object(made.json?.client).id), secret: undefined, redirectUri };
    for (const scope of [undefined, 'openid offline_access']) {
      const { answer, ...step } = await signsIn(client, { scope });
      expect(step.kind === 'page' && step.forms.flatMap((form) => form.checkboxes.map(({ value }) => value))).toEqual([
        'desk:write',
      ]);
      expect(answer.status).toBe(200);
    }
    const { url } = authorizationRequest(target, client, { scope: 'desk:read desk:write' });
    const refused = await createHttpPerson().open(url);
    expect(refused.url.searchParams.get('error')).toBe('invalid_scope');
  });
});

describe('who may ask for administration', () => {
  test.each([
    ['loopback', 'http://127.0.0.1:9/callback'],
    ['web', 'https://app.example/callback'],
    ['of its own scheme', 'cursor://anysphere.cursor-mcp/oauth/callback'],
  ])('SP-24: a client that registered itself gets invalid_target before any page (%s)', async (_kind, redirectUri) => {
    const client = await registerClient(target, {
      client_name: 'Portcullis command line',
      redirect_uris: [redirectUri],
      scope: ALL_ADMIN_SCOPES,
      portcullis_admin: true,
      allowed_resources: [adminResource()],
    });
    for (const resource of [adminResource(), `${adminResource()}/`, adminResource().replace('http:', 'HTTP:')]) {
      const { url } = authorizationRequest(target, client, { resource, scope: 'admin:users' });
      const step = await createHttpPerson().open(url);
      const shown = shownError(step.answer)?.searchParams;
      expect(shown?.get('error')).toBe('invalid_target');
      expect(shown?.get('error_description')).not.toContain('/admin');
      expect(step.kind === 'page' && step.forms).toEqual([]);
    }
  });

  test('SP-24: a client that names itself by a document gets it too, and otherwise works', async () => {
    const { url } = authorizationRequest(target, DOCUMENT_CLIENT, { resource: adminResource(), scope: 'admin:users' });
    const step = await createHttpPerson().open(url);
    expect(shownError(step.answer)?.searchParams.get('error')).toBe('invalid_target');
    expect(step.kind === 'page' && step.forms).toEqual([]);
    await obtainCode(target, DOCUMENT_CLIENT, { person: createHttpPerson() });
  });

  test('SP-24: neither does it at the token endpoint, with a code for something else', async () => {
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    const answer = await redeem(target, client, { code, changes: { resource: adminResource() } });
    expect(answer).toMatchObject({ status: 400, json: { error: 'invalid_target' } });
  });

  test('a client that registered itself gets no client credentials, whatever it registered for', async () => {
    const client = await registerClient(target, {
      grant_types: ['client_credentials', 'authorization_code'],
      token_endpoint_auth_method: 'client_secret_post',
    });
    for (const resource of [adminResource(), server.mcpUrl]) {
      const answer = await requestToken(target.server, {
        grant_type: 'client_credentials',
        client_id: client.id,
        client_secret: client.secret,
        resource,
      });
      expect(answer).toMatchObject({
        status: 400,
        json: { error: 'invalid_request', error_description: expect.stringContaining('grant type') },
      });
    }
  });

  test('an unknown client id that looks like the command line is nobody', async () => {
    const step = await createHttpPerson().open(
      authorizationRequest(target, { ...COMMAND_LINE, id: 'portcullis-cli ' }, { resource: adminResource() }).url,
    );
    expect(step.kind === 'page' && step.answer.status).toBe(400);
  });

  test('the command line is answered on loopback alone, and reaches nothing but administration', async () => {
    for (const redirectUri of [
      'https://evil.example/callback',
      'http://localhost:9/callback',
      'http://127.0.0.1:9/x',
    ]) {
      const step = await createHttpPerson().open(
        authorizationRequest(target, { ...COMMAND_LINE, redirectUri }, { resource: adminResource() }).url,
      );
      expect(step.kind === 'page' && step.answer.status).toBe(400);
    }
    const elsewhere = await openAdminRequest(createHttpPerson(), { resource: server.mcpUrl, scope: 'desk:read' });
    expect(elsewhere.url.searchParams.get('error')).toBe('invalid_target');
  });

  test('nobody registers under the id of the command line, and registration hints never name admin scopes', async () => {
    const client = await registerClient(target, { client_id: COMMAND_LINE.id });
    expect(client.id).not.toBe(COMMAND_LINE.id);
    const metadata = await (await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)).json();
    expect(JSON.stringify(metadata)).not.toContain('admin:');
  });

  test('SP-25: a user without the role is refused, and sees no page that offers it', async () => {
    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER.email);
    const created = await users.create({ email: 'agent@example.com', roles: ['agent', 'lead'], now: new Date() });
    if (!created.ok || !owner?.passwordHash) throw new Error('no user');
    await users.setPassword({ userId: created.user.id, passwordHash: owner.passwordHash, now: new Date() });
    const person = createHttpPerson();
    const step = await person.submit(await openAdminRequest(person), {
      email: 'agent@example.com',
      password: OWNER.password,
      action: 'login',
    });
    expect(step.kind).toBe('left');
    expect(step.url.searchParams.get('error')).toBe('access_denied');
  });
});

describe('signing in for administration', () => {
  test('takes a sign-in of the last five minutes, and consent each time', async () => {
    const person = createHttpPerson();
    await adminTokens(target, { person });
    const soon = await openAdminRequest(person);
    expect({ login: asks(soon, 'login'), consent: asks(soon, 'approve') }).toEqual({ login: false, consent: true });
    server.pass(301);
    try {
      expect(asks(await openAdminRequest(person), 'login')).toBe(true);
      const client = await registerClient(target);
      const elsewhere = await person.open(authorizationRequest(target, client).url);
      expect(asks(elsewhere, 'login')).toBe(false);
      const silent = await openAdminRequest(person, { prompt: 'none' });
      expect(silent.url.searchParams.get('error')).toBe('login_required');
    } finally {
      server.pass(-301);
    }
  });

  test('is refreshed for eight hours at most, however often', async () => {
    const { access, refresh } = await adminTokens(target);
    expect(readToken(access).claims).toMatchObject({ aud: adminResource(), client_id: COMMAND_LINE.id });
    const rows = () => server.database.prisma.refreshToken.findMany({ where: { clientId: COMMAND_LINE.id } });
    const { refresh: next } = tokensOf(
      await requestToken(target.server, {
        grant_type: 'refresh_token',
        client_id: COMMAND_LINE.id,
        refresh_token: refresh,
      }),
    );
    for (const { firstIssuedAt, expiresAt } of await rows()) {
      // Whole seconds: one may begin between the two readings of the clock.
      expect(expiresAt.getTime() - firstIssuedAt.getTime()).toBeLessThanOrEqual((8 * 3600 + 1) * 1000);
    }
    server.pass(8 * 3600 + 1);
    try {
      const late = { grant_type: 'refresh_token', client_id: COMMAND_LINE.id, refresh_token: next };
      expect(await requestToken(target.server, late)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } });
    } finally {
      server.pass(-(8 * 3600 + 1));
    }
  });
});

describe('changes at the same time', () => {
  test('of two administrators who disable each other at once, one stays', async () => {
    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER.email);
    const second = await users.create({ email: 'second@example.com', roles: ['admin'], now: new Date() });
    if (!owner || !second.ok) throw new Error('no users');
    const { access } = await adminTokens(target);
    const ids = [owner.id, second.user.id];
    for (let round = 0; round < rounds(20); round++) {
      const disable = (id: string) =>
        callAdmin(server.issuer, { token: access, method: 'POST', path: `/users/${id}/disable` });
      const answers = await Promise.all(ids.map(disable));
      expect(answers.map(({ status }) => status)).not.toContain(500);
      expect(await users.countActive('admin')).toBeGreaterThanOrEqual(1);
      for (const userId of ids) await users.setDisabled({ userId, disabled: false, now: new Date() });
    }
    await users.setDisabled({ userId: second.user.id, disabled: true, now: new Date() });
  });
});

describe('the description of the admin API', () => {
  test('is an OpenAPI document for everybody, with every operation and its scope', async () => {
    const { status, json } = await callAdmin(server.issuer, { path: '/openapi.json' });
    expect({ status, openapi: json?.openapi }).toEqual({ status: 200, openapi: '3.1.0' });
    const operations = Object.values(json?.paths ?? {}).flatMap((path) => Object.values(path as object));
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(ADMIN_OPERATIONS).sort());
    for (const { description, responses } of operations) {
      expect(description).toMatch(/^Takes (any admin scope|the scope `admin:[a-z-]+`)\.$/);
      expect(responses).toHaveProperty('default');
    }
  });

  test('every operation but the description takes a token', async () => {
    for (const { method, path } of Object.values(ADMIN_OPERATIONS)) {
      const answer = await callAdmin(server.issuer, { method, path: path.replaceAll(/\{\w+\}/g, 'x') });
      expect({ path, status: answer.status }).toEqual({ path, status: 401 });
    }
  });
});

describe('tokens do not cross', () => {
  test('SP-20: an MCP token is refused by the admin API, whoever its user is', async () => {
    const client = await registerClient(target);
    const code = await obtainCode(target, client, { person: createHttpPerson() });
    const { access } = tokensOf(await redeem(target, client, { code }));
    const answer = await callAdmin(server.issuer, { token: access, path: '/users' });
    expect(answer).toMatchObject({ status: 401, headers: { 'content-type': expect.stringContaining('problem+json') } });
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
  });

  test('SP-29: no token and a token in the query are answered with a challenge', async () => {
    const { access } = await adminTokens(target, { scope: 'admin:users' });
    const none = await callAdmin(server.issuer, { path: '/users' });
    expect(none.status).toBe(401);
    expect(none.headers['www-authenticate']).toContain('resource_metadata=');
    expect((await callAdmin(server.issuer, { path: `/users?access_token=${access}` })).status).toBe(400);
  });

  test('a scope opens its own area and no other', async () => {
    const { access } = await adminTokens(target, { scope: 'admin:audit' });
    expect((await callAdmin(server.issuer, { token: access, path: '/audit' })).status).toBe(200);
    const refused = await callAdmin(server.issuer, { token: access, path: '/users' });
    expect(refused).toMatchObject({ status: 403, json: { status: 403, correlationId: expect.any(String) } });
    expect(refused.headers['www-authenticate']).toContain('error="insufficient_scope"');
  });

  test('nobody hands on an area that they do not hold: neither with a new machine nor with an old one', async () => {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true });
    const machine = (scope: string) => ({
      name: 'Night',
      authentication: 'private_key_jwt',
      jwks: { keys: [publicJwk] },
      machine: true,
      admin: true,
      scopes: [scope],
    });
    const publicJwk = await exportJWK(publicKey);
    const { access: token } = await adminTokens(target, { scope: 'admin:clients' });
    const register = (scope: string) =>
      callAdmin(server.issuer, { token, method: 'POST', path: '/clients', body: machine(scope) });
    expect(await register('admin:users')).toMatchObject({
      status: 400,
      json: { errors: [{ field: 'scopes', problem: expect.stringContaining('admin:users') }] },
    });
    const registered = await register('admin:clients');
    expect(registered.status).toBe(201);
    const { id } = Object(registered.json?.client);
    const change = { method: 'PATCH', path: `/clients/${id}`, body: { scopes: ['admin:clients', 'admin:users'] } };
    expect((await callAdmin(server.issuer, { token, ...change })).status).toBe(400);
    const { access: holder } = await adminTokens(target);
    expect((await callAdmin(server.issuer, { token: holder, ...change })).status).toBe(200);
  });

  test('RS-4, RS-12: what was revoked, disabled or taken away ends at once, not with the token, and says where to ask', async () => {
    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER.email);
    if (!owner) throw new Error('no owner');
    const { access } = await adminTokens(target);
    const status = async () => (await callAdmin(server.issuer, { token: access, path: '/users' })).status;
    expect(await status()).toBe(200);
    const now = new Date();
    await users.update({ userId: owner.id, roles: ['lead'], now });
    expect(await status()).toBe(403);
    await users.update({ userId: owner.id, roles: ['admin', 'lead'], now });
    expect(await status()).toBe(200);
    await users.setDisabled({ userId: owner.id, disabled: true, now });
    const ended = await callAdmin(server.issuer, { token: access, path: '/users' });
    expect(ended.status).toBe(401);
    const metadata = `${server.issuer}/.well-known/oauth-protected-resource/admin`;
    expect(ended.headers['www-authenticate']).toBe(
      `Bearer realm="portcullis-admin", error="invalid_token", resource_metadata="${metadata}"`,
    );
    await users.setDisabled({ userId: owner.id, disabled: false, now });
    const grantId = String(readToken(access).claims.gid);
    const revoked = await callAdmin(server.issuer, { token: access, method: 'DELETE', path: `/grants/${grantId}` });
    expect(revoked.status).toBe(200);
    expect(await status()).toBe(401);
  });
});
