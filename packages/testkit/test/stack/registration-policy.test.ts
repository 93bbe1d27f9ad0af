import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type ClientStore,
  createAuditLog,
  createClientStore,
  createRegistrationTokenStore,
} from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import {
  authorizationUrl,
  bearer,
  createHttpPerson,
  plainText,
  register,
  requestToken,
  sendJson,
} from '../../src/index.ts';
import {
  authorizationRequest,
  obtainCode,
  redeem,
  registerClient,
  type Target,
  targetOf,
} from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { OWNER_ENV } from './support/owner.ts';

const day = 24 * 3600;
const loopback = {
  client_name: 'Claude Code',
  redirect_uris: ['http://localhost:9/callback'],
  token_endpoint_auth_method: 'none',
};
const confidential = {
  client_name: 'Web app',
  redirect_uris: ['https://app.example/callback'],
  token_endpoint_auth_method: 'client_secret_post',
};

type Served = InProcess & { target: Target; clients: ClientStore };

const opened: (TestDatabase | InProcess)[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await ('close' in one ? one.close() : one.drop());
});

async function serve(registration: Record<string, unknown> = {}): Promise<Served> {
  const database = await createTestDatabase();
  opened.push(database);
  const server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV, configuration: { registration } });
  opened.push(server);
  // The metadata of a server that registers nobody has no registration endpoint.
  const target = await targetOf(server).catch(() => ({
    mcpUrl: server.mcpUrl,
    server: {
      issuer: server.issuer,
      authorization_endpoint: `${server.issuer}/authorize`,
      token_endpoint: `${server.issuer}/token`,
      registration_endpoint: `${server.issuer}/register`,
      jwks_uri: `${server.issuer}/jwks`,
    },
  }));
  return Object.assign(server, { target, clients: createClientStore(server.database) });
}

const post = ({ target }: Served, body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  register(target.server, body, { headers });

/** Changes a client with the registration access token that came with its last answer (RFC 7592). */
const changeItself = (registered: Record<string, unknown>, changes: Record<string, unknown>) =>
  sendJson(String(registered.registration_client_uri), {
    method: 'PUT',
    headers: { ...bearer(String(registered.registration_access_token)), 'content-type': 'application/json' },
    body: JSON.stringify({ ...confidential, client_id: registered.client_id, ...changes }),
  });

const countClients = ({ database }: Served) => database.prisma.client.count();

async function page({ target }: Served, clientId: string): Promise<{ status: number; words: string }> {
  const { url } = authorizationRequest(target, {
    id: clientId,
    secret: undefined,
    redirectUri: 'http://localhost:9/callback',
  });
  const step = await createHttpPerson({ headers: { accept: 'text/html' } }).open(url);
  expect(step.kind).toBe('page');
  return { status: step.answer.status, words: plainText(step.answer.text) };
}

const tokenError = async ({ target }: Served, clientId: string) => {
  const { status, json } = await requestToken(target.server, {
    grant_type: 'refresh_token',
    refresh_token: 'x',
    client_id: clientId,
  });
  return [status, json?.error];
};

const events = async ({ database }: Served, type: string) =>
  (await createAuditLog(database).list({ type })).map(({ outcome, client, detail }) => ({ outcome, client, detail }));

describe('the registration policy (SP-15)', () => {
  test('off: nobody registers, the metadata names no endpoint, and the refusal is recorded', async () => {
    const served = await serve({ policy: 'off' });
    const metadata = await sendJson(`${served.issuer}/.well-known/oauth-authorization-server`, {});
    expect(metadata.json).not.toHaveProperty('registration_endpoint');
    const answer = await post(served, loopback);
    expect([answer.status, answer.json?.error]).toEqual([403, 'access_denied']);
    expect(await countClients(served)).toBe(0);
    expect(await events(served, 'client.registered')).toEqual([
      { outcome: 'denied', client: undefined, detail: { error: 'registration_off' } },
    ]);
  });

  test('token: without one there is a bare challenge, with one that works a client and a way to manage it', async () => {
    const served = await serve({ policy: 'token' });
    const tokens = createRegistrationTokenStore(served.database);
    const bare = await post(served, loopback);
    expect([bare.status, bare.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    for (const wrong of ['pcr_guess', 'guess', 'Basic eDp5']) {
      const answer = await post(served, loopback, {
        authorization: wrong.startsWith('Basic') ? wrong : `Bearer ${wrong}`,
      });
      expect([wrong, answer.status, answer.json?.error]).toEqual([wrong, 401, 'invalid_token']);
    }
    const { id, token } = await tokens.issue({ name: 'once', maxUses: 1, now: served.now(), ttlSeconds: 60 });
    const bad = await post(served, { ...loopback, redirect_uris: [] }, bearer(token));
    expect([bad.status, bad.json?.error]).toEqual([400, 'invalid_redirect_uri']);
    const good = await post(served, loopback, bearer(token));
    expect(good).toMatchObject({ status: 201, json: { registration_access_token: expect.any(String) } });
    expect((await post(served, loopback, bearer(token))).status).toBe(401);
    expect(await countClients(served)).toBe(1);
    expect(await events(served, 'client.registered')).toContainEqual({
      outcome: 'success',
      client: good.json?.client_id,
      detail: { name: 'Claude Code', redirects: ['localhost'], state: 'active', registrationToken: id },
    });

    const short = await tokens.issue({ name: 'short', maxUses: null, now: served.now(), ttlSeconds: 60 });
    served.pass(60);
    expect((await post(served, loopback, bearer(short.token))).status).toBe(401);
  });

  test('token: of eight who come at once with a token for one use, one gets a client', async () => {
    const served = await serve({ policy: 'token' });
    const tokens = createRegistrationTokenStore(served.database);
    for (let round = 0; round < rounds(10); round += 1) {
      const { token } = await tokens.issue({ name: 'race', maxUses: 1, now: served.now(), ttlSeconds: 60 });
      const before = await countClients(served);
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(served, loopback, bearer(token))));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401, 401, 401, 401, 401]);
      expect(await countClients(served)).toBe(before + 1);
    }
  });

  test('review: a client is of no use until it is approved, the page says so, and again after it changed its looks', async () => {
    const served = await serve({ policy: 'review' });
    const answer = await post(served, confidential);
    const {
      client_id: id,
      client_secret: secret,
      registration_access_token: token,
      registration_client_uri: uri,
    } = answer.json ?? {};
    expect(answer.status).toBe(201);
    const clientId = String(id);
    expect(await page(served, clientId)).toMatchObject({
      status: 400,
      words: expect.stringMatching(/waits for an administrator.*calls itself “Web app”/),
    });
    expect(await tokenError(served, clientId)).toEqual([401, 'invalid_client']);
    const read = await sendJson(String(uri), { headers: bearer(String(token)) });
    expect([read.status, read.json?.client_id]).toEqual([200, id]);

    await served.clients.approve({ id: clientId, now: served.now() });
    const client = { id: clientId, secret: String(secret), redirectUri: 'https://app.example/callback' };
    const person = createHttpPerson();
    const code = await obtainCode(served.target, client, { person });
    expect((await redeem(served.target, client, { code, changes: { client_secret: client.secret } })).status).toBe(200);

    const changed = await sendJson(String(uri), {
      method: 'PUT',
      headers: { ...bearer(String(token)), 'content-type': 'application/json' },
      body: JSON.stringify({ ...confidential, client_id: id, redirect_uris: ['https://evil.example/callback'] }),
    });
    expect(changed.status).toBe(200);
    expect((await page(served, clientId)).words).toContain('waits for an administrator');
    await served.clients.reject({ id: clientId, now: served.now() });
    expect((await page(served, clientId)).words).toContain('has turned this app away');
    await served.clients.setDisabled({ id: clientId, disabled: true, now: served.now() });
    expect((await page(served, clientId)).words).toContain('has switched this app off');
  });

  test('review: a client that changes itself while it is switched off is not let in unseen afterwards', async () => {
    const served = await serve({ policy: 'review' });
    const { json = {} } = await post(served, confidential);
    const key = { id: String(json.client_id), now: served.now() };
    await served.clients.approve(key);
    await served.clients.setDisabled({ ...key, disabled: true });
    const changed = await changeItself(json, { redirect_uris: ['https://evil.example/callback'] });
    expect(changed.status).toBe(200);
    await served.clients.setDisabled({ ...key, disabled: false });
    expect((await served.clients.find(key))?.state).toBe('pending');
  });

  test('a client for which the operator vouched loses that when it becomes another one, and not before', async () => {
    const served = await serve();
    const { json = {} } = await post(served, confidential);
    const key = { id: String(json.client_id), now: served.now() };
    await served.clients.update({ ...key, permissions: { firstParty: true } });
    const { json: same = {} } = await changeItself(json, { contacts: ['it@app.example'] });
    expect((await served.clients.find(key))?.firstParty).toBe(true);
    const { status } = await changeItself(same, { redirect_uris: ['https://evil.example/callback'] });
    expect(status).toBe(200);
    expect((await served.clients.find(key))?.firstParty).toBe(false);
  });

  test('review: whoever brings a registration token needs none', async () => {
    const served = await serve({ policy: 'review' });
    const { token } = await createRegistrationTokenStore(served.database).issue({
      name: 'vetted',
      maxUses: null,
      now: served.now(),
      ttlSeconds: 60,
    });
    const answer = await post(served, loopback, bearer(token));
    expect(await served.clients.find({ id: String(answer.json?.client_id), now: served.now() })).toMatchObject({
      state: 'active',
    });
  });

  test('open: a credential that is for somebody else is passed over, a dead registration token is not', async () => {
    const served = await serve();
    expect((await post(served, loopback, bearer('eyJhbGciOiJub25lIn0.e30.'))).status).toBe(201);
    expect((await post(served, loopback, bearer('pcr_dead'))).status).toBe(401);
  });
});

describe('identical registrations', () => {
  test('of a public client are one client, whatever its loopback port; what differs is another', async () => {
    const served = await serve();
    const first = await post(served, loopback);
    expect(first.json).not.toHaveProperty('registration_access_token');
    const again = await post(served, {
      ...loopback,
      redirect_uris: ['http://localhost:51234/callback'],
      scope: 'desk:read',
    });
    expect(again).toMatchObject({
      status: 201,
      json: {
        client_id: first.json?.client_id,
        client_id_issued_at: first.json?.client_id_issued_at,
        redirect_uris: ['http://localhost:51234/callback'],
        scope: 'desk:read',
      },
    });
    const others = [
      { ...loopback, client_name: 'Claude' },
      { ...loopback, redirect_uris: ['http://127.0.0.1:9/callback'] },
      { ...loopback, redirect_uris: ['http://localhost:9/other'] },
      { ...loopback, grant_types: ['authorization_code'] },
      confidential,
      confidential,
    ];
    const ids = await Promise.all(others.map(async (body) => (await post(served, body)).json?.client_id));
    expect(new Set([...ids, first.json?.client_id]).size).toBe(others.length + 1);
  });

  test('sign in with a port that another installation did not register (AS-40)', async () => {
    const served = await serve();
    await registerClient(served.target, { redirect_uris: ['http://localhost:9/callback'] });
    const client = await registerClient(served.target, { redirect_uris: ['http://localhost:51234/callback'] });
    const code = await obtainCode(served.target, client, { person: createHttpPerson() });
    expect((await redeem(served.target, client, { code })).status).toBe(200);
    expect(await countClients(served)).toBe(1);
  });

  test('do not bring back a client that an administrator switched off', async () => {
    const served = await serve();
    const { id } = await registerClient(served.target, loopback);
    await served.clients.setDisabled({ id, disabled: true, now: served.now() });
    expect((await registerClient(served.target, loopback)).id).toBe(id);
    expect((await page(served, id)).words).toContain('has switched this app off');
  });
});

describe('redirect hosts', () => {
  test('a refused host costs the URI, and the registration when no other is left', async () => {
    const served = await serve({
      redirectHosts: { allow: ['*.example', 'localhost', 'cursor:'], deny: ['evil.example', '*.evil.example'] },
    });
    const asked = [
      'https://app.example/cb',
      'https://evil.example/cb',
      'https://sub.evil.example/cb',
      'https://app.example.org/cb',
      'https://example/cb',
      'http://localhost:1/cb',
      'http://127.0.0.1:1/cb',
      'cursor://oauth/cb',
      'vscode://oauth/cb',
    ];
    const answer = await post(served, { ...loopback, redirect_uris: asked });
    expect(answer.json?.redirect_uris).toEqual([
      'https://app.example/cb',
      'http://localhost:1/cb',
      'cursor://oauth/cb',
    ]);
    const refused = await post(served, { ...loopback, redirect_uris: ['https://evil.example/cb'] });
    expect([refused.status, refused.json?.error]).toEqual([400, 'invalid_redirect_uri']);
    expect(refused.json?.error_description).toContain('redirect_uris');
  });
});

describe('software statements', () => {
  test('the claims of a verified one win, and it comes back as it was', async () => {
    const { served, sign } = await serveStatements();
    const statement = await sign({ client_name: 'Vouched app', redirect_uris: ['https://vouched.example/cb'] });
    const answer = await post(served, { ...loopback, client_name: 'Liar', software_statement: statement });
    expect(answer).toMatchObject({
      status: 201,
      json: {
        client_name: 'Vouched app',
        redirect_uris: ['https://vouched.example/cb'],
        software_statement: statement,
      },
    });
    const stored = await served.clients.find({ id: String(answer.json?.client_id), now: served.now() });
    expect(stored?.metadata).toMatchObject({ client_name: 'Vouched app' });
    const step = await createHttpPerson().open(
      authorizationRequest(served.target, {
        id: String(answer.json?.client_id),
        secret: undefined,
        redirectUri: 'https://vouched.example/cb',
      }).url,
    );
    expect(step.answer.status).toBe(200);
  });

  test('one that cannot be verified refuses the registration', async () => {
    const { served, sign, strangerKey } = await serveStatements();
    const now = Math.floor(served.now().getTime() / 1000);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"iss":"https://issuer.example"}').toString('base64url')}.`;
    const hmac = await new SignJWT({ iss: 'https://issuer.example' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.alloc(32));
    const cases: [string, unknown, string][] = [
      ['by a stranger', await sign({}, { key: strangerKey }), 'invalid_software_statement'],
      ['unsigned', unsigned, 'invalid_software_statement'],
      ['with a shared secret', hmac, 'invalid_software_statement'],
      ['expired', await sign({ exp: now - 1 }), 'invalid_software_statement'],
      ['not valid yet', await sign({ nbf: now + 3600 }), 'invalid_software_statement'],
      ['of an unknown issuer', await sign({ iss: 'https://other.example' }), 'unapproved_software_statement'],
      ['of a built-in name', await sign({ iss: 'constructor' }), 'unapproved_software_statement'],
      ['no JWT', 'a.b.c', 'invalid_software_statement'],
      ['no text', { iss: 'x' }, 'invalid_software_statement'],
      ['missing', undefined, 'invalid_client_metadata'],
    ];
    for (const [what, statement, error] of cases) {
      const answer = await post(served, { ...loopback, software_statement: statement });
      expect([what, answer.status, answer.json?.error]).toEqual([what, 400, error]);
      expect(answer.json?.error_description).toContain('software_statement');
    }
    expect(await countClients(served)).toBe(0);
  });

  test('what was vouched for stays so when the client updates itself', async () => {
    const { served, sign } = await serveStatements();
    const statement = await sign({ client_name: 'Vouched app' });
    const { json = {} } = await post(served, { ...confidential, software_statement: statement });
    const updated = await sendJson(String(json.registration_client_uri), {
      method: 'PUT',
      headers: { ...bearer(String(json.registration_access_token)), 'content-type': 'application/json' },
      body: JSON.stringify({ ...confidential, client_id: json.client_id, client_name: 'Liar' }),
    });
    expect(updated).toMatchObject({ status: 200, json: { client_name: 'Vouched app', software_statement: statement } });
  });

  async function serveStatements() {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const stranger = await generateKeyPair('ES256');
    const served = await serve({
      softwareStatements: {
        required: true,
        issuers: { 'https://issuer.example': { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] } },
      },
    });
    const sign = (claims: Record<string, unknown>, { key = privateKey } = {}) =>
      new SignJWT({ iss: 'https://issuer.example', ...claims }).setProtectedHeader({ alg: 'ES256' }).sign(key);
    return { served, sign, strangerKey: stranger.privateKey };
  }
});

describe('clients that are swept', () => {
  test('an unused one after a day: invalid_client for it, and for its user how to reset it', async () => {
    const served = await serve();
    const { id } = await registerClient(served.target, loopback);
    // That anybody opens an authorization URL is no use.
    served.pass(day - 60);
    await createHttpPerson().open(
      authorizationRequest(served.target, { id, secret: undefined, redirectUri: 'http://localhost:9/callback' }).url,
    );
    await served.clean();
    expect(await countClients(served)).toBe(1);
    served.pass(60);
    for (const round of ['before', 'after'] as const) {
      if (round === 'after') await served.clean();
      expect([round, await tokenError(served, id)]).toEqual([round, [401, 'invalid_client']]);
      const { status, words } = await page(served, id);
      expect([round, status]).toEqual([round, 400]);
      expect(words).toContain('registration has run out');
      expect(words).toContain('claude mcp remove NAME');
      expect(words).not.toContain('mcp-auth');
    }
    expect(await countClients(served)).toBe(0);
    const anew = await registerClient(served.target, loopback);
    expect(anew.id).not.toBe(id);
  });

  test('a used one 90 days after its last use', async () => {
    const served = await serve();
    const client = await registerClient(served.target, loopback);
    served.pass(60);
    const code = await obtainCode(served.target, client, { person: createHttpPerson() });
    expect(code.code).not.toBe('');
    served.pass(90 * day - 60);
    await served.clean();
    expect(await countClients(served)).toBe(1);
    served.pass(60);
    await served.clean();
    expect(await countClients(served)).toBe(0);
    expect(await tokenError(served, client.id)).toEqual([401, 'invalid_client']);
  });

  test('an id that was never known gets the advice for every client', async () => {
    const served = await serve();
    const { status, words } = await page(served, 'never-known');
    expect(status).toBe(400);
    for (const hint of ['claude mcp remove', '.mcp-auth', 'VS Code', 'Cursor', 'MCP Inspector', 'Codex'])
      expect(words).toContain(hint);
    expect(authorizationUrl(served.target.server, {}).origin).toBe(served.issuer);
  });
});
