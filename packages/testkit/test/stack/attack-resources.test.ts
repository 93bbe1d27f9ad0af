import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore, createUserStore, dumpTables } from '@portcullis/persistence';
import { createTestDatabase, rounds, type TestDatabase } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer } from '../../src/index.ts';
import { asks, createHttpPerson, plainText, readToken, requestToken, sendRaw } from '../../src/index.ts';
import { adminTokens, callAdmin } from './support/administration.ts';
import {
  authorizationRequest,
  type Code,
  codeExchange,
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
import { addedResource, notesAt, type ResourceRequest, resourceAdministration } from './support/resources.ts';

const WEB = 'https://app.example/callback';

let database: TestDatabase;
let server: InProcess;
/** A second one on the same database. */
let other: InProcess;
let target: Target;
let admin: ReturnType<typeof resourceAdministration>;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({
    databaseUrl: database.url,
    env: { ...OWNER_ENV, PORTCULLIS_UPSTREAM_CHAT_SECRET: 'a secret there' },
    configuration: { upstreams: { chat: { preset: 'slack', clientId: 'x' } } },
  });
  other = await startInProcess({ databaseUrl: database.url, issuer: server.issuer });
  target = await targetOf(server);
  admin = resourceAdministration(server.issuer, (await adminTokens(target)).access);
});

afterAll(async () => {
  await other?.close();
  await server?.close();
  await database?.drop();
});

/** Adds a resource and gives the target that codes and tokens for it are asked at. */
async function added(request: ResourceRequest = notesAt()): Promise<Target & { mcpUrl: string }> {
  return { ...target, mcpUrl: addedResource(await admin.add(request)).url };
}

const asked = { scope: 'notes:read' };

async function signedIn(at: Target, client: TestClient, person: HttpPerson = createHttpPerson()) {
  const code = await obtainCode(at, client, { person, changes: asked });
  return tokensOf(await redeem(at, client, { code }));
}

/** The token endpoint of the second replica. */
function atOther(params: Record<string, string | undefined>, headers: Record<string, string> = {}) {
  const { host } = new URL(server.issuer);
  const endpoint = { ...target.server, token_endpoint: `http://localhost:${other.port}/token` };
  return requestToken(endpoint, params, { headers: { host, ...headers } });
}

const refreshRequest = (client: TestClient, refresh: string, resource?: string) => ({
  grant_type: 'refresh_token',
  client_id: client.id,
  refresh_token: refresh,
  resource,
});

const webClient = (client_name: string) => registerClient(target, { client_name, redirect_uris: [WEB] });

describe('who may change what is protected', () => {
  const everything = (url: string) => [
    { path: '/resources' },
    { path: '/resources', method: 'POST', body: notesAt() },
    { path: `/resources/${encodeURIComponent(url)}`, method: 'DELETE' },
    { path: `/resources/${encodeURIComponent(url)}/credentials`, method: 'POST' },
  ];

  test('SP-20: an MCP token is refused, whoever its user is', async () => {
    const at = await added();
    for (const where of [target, at]) {
      const client = await registerClient(target);
      const code = await obtainCode(where, client, {
        person: createHttpPerson(),
        changes: { scope: where === at ? 'notes:read' : 'desk:read' },
      });
      const { access } = tokensOf(await redeem(where, client, { code }));
      for (const call of everything(at.mcpUrl)) {
        expect((await callAdmin(server.issuer, { token: access, ...call })).status).toBe(401);
      }
    }
  });

  test('the scope of another area is refused, also that of apps', async () => {
    const at = await added();
    const { access } = await adminTokens(target, { scope: 'admin:clients admin:grants admin:users admin:audit' });
    for (const call of everything(at.mcpUrl)) {
      const answer = await callAdmin(server.issuer, { token: access, ...call });
      expect(answer).toMatchObject({ status: 403, json: { detail: expect.stringContaining('admin:resources') } });
      expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"');
    }
    expect(await registeredAt(at.mcpUrl)).toBeDefined();
  });

  test('SP-25: a role that was taken away ends it at once', async () => {
    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER.email);
    const { access } = await adminTokens(target, { scope: 'admin:resources' });
    const add = async () => (await resourceAdministration(server.issuer, access).add(notesAt())).status;
    expect(await add()).toBe(201);
    await users.update({ userId: owner?.id ?? '', roles: ['lead'], now: new Date() });
    expect(await add()).toBe(403);
    await users.update({ userId: owner?.id ?? '', roles: ['admin', 'lead'], now: new Date() });
    expect(await add()).toBe(201);
  });
});

const registeredAt = (url: string) => createClientStore(server.database).findResourceServer({ url, now: new Date() });

/** Nothing else is wrong with them, so that each is refused for its own reason. */
const scoped = (scopes: object, defaultScopes = Object.keys(scopes).slice(0, 1)) => ({
  scopes,
  defaultScopes: defaultScopes.length > 0 ? defaultScopes : ['notes:read'],
  roles: {},
});

/** What its server would use of an upstream. */
const using = (scopes: object, name = 'chat') => ({ upstream: { name, scopes } });

describe('what cannot be added', () => {
  const refusedUrls: [string, string, RegExp][] = [
    ['no URL', 'notes', /absolute URL/],
    ['a script', 'javascript:alert(1)', /https/],
    ['data', 'data:text/html,x', /https/],
    ['a file', 'file:///etc/passwd', /https/],
    ['plain http', 'http://notes.example/mcp', /https/],
    ['plain http to what only looks like loopback', 'http://localhost.evil.example/mcp', /https/],
    ['a fragment', 'https://notes.example/mcp#x', /fragment/],
    ['an empty fragment', 'https://notes.example/mcp#', /fragment/],
    ['a user name', 'https://ada@notes.example/mcp', /user name/],
    ['a password', 'https://:secret@notes.example/mcp', /user name/],
    ['capital letters in the host', 'https://Notes.example/mcp', /https:\/\/notes\.example\/mcp/],
    ['a default port', 'https://notes.example:443/mcp', /https:\/\/notes\.example\/mcp/],
    ['a slash behind a bare host', 'https://notes.example/', /https:\/\/notes\.example$/],
    ['a path that goes up', 'https://notes.example/a/../mcp', /https:\/\/notes\.example\/mcp/],
    ['white space', ' https://notes.example/mcp', /canonical/],
    ['a line break', 'https://notes.example/\nmcp', /canonical/],
    ['U+0000', 'https://notes.example/\u0000', /canonical/],
    ['a backslash', 'https://notes.example\\mcp', /backslash/],
    ['a Cyrillic letter in the host', 'https://n\u043etes.example/mcp', /https:\/\/xn--/],
    ['a full-width letter', 'https://\uff4eotes.example/mcp', /https:\/\/notes\.example\/mcp/],
    ['a look-alike of a slash', 'https://notes.example\u2044mcp/x', /https:\/\/|absolute/],
    ['a text that turns around', 'https://notes.example/\u202emcp', /canonical/],
    ['an address in another notation', 'https://0x7f000001/mcp', /127\.0\.0\.1/],
    ['a very long URL', `https://notes.example/${'a'.repeat(2100)}`, /2048|too big/i],
  ];

  test.each(refusedUrls)('SP-20: a URL that is %s', async (_what, url, why) => {
    const before = await server.database.prisma.resource.count();
    const answer = await admin.add(notesAt(url));
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ field: 'url' }] } });
    expect(Object(answer.json?.errors)[0].problem).toMatch(why);
    expect(await server.database.prisma.resource.count()).toBe(before);
  });

  test('SP-24: the administration of this server, whatever lies below it, and the server itself', async () => {
    for (const path of ['', '/admin', '/admin/', '/admin/api/v1', '/admin?x=1']) {
      const answer = await admin.add(notesAt(`${server.issuer}${path}`));
      expect({ path, status: answer.status, errors: answer.json?.errors }).toEqual({
        path,
        status: 400,
        errors: [{ field: 'url', problem: expect.stringContaining('this server itself') }],
      });
    }
    expect((await admin.remove(`${server.issuer}/admin`)).status).toBe(404);
    expect((await admin.credentials(`${server.issuer}/admin`)).status).toBe(404);
    expect(JSON.stringify((await admin.list('?limit=200')).json)).not.toContain(`"${server.issuer}/admin"`);
  });

  test('AS-15: what is there already, in any spelling that requests are forgiven', async () => {
    const { mcpUrl } = await added();
    for (const url of [mcpUrl, `${mcpUrl}/`, server.mcpUrl, `${server.mcpUrl}/`]) {
      expect(await admin.add(notesAt(url))).toMatchObject({ status: 409 });
    }
  });

  test.each<[string, string, object]>([
    ['a name of 2 MB', 'body', { name: 'n'.repeat(2_000_000) }],
    ['a name of 81 characters', 'name', { name: 'n'.repeat(81) }],
    ['a name that turns text around', 'name', { name: 'Notes \u202efdp' }],
    ['a name with what cannot be seen', 'name', { name: 'No\u200btes' }],
    [
      'a description with control characters',
      'scopes.notes:read.description',
      scoped({ 'notes:read': { description: 'Read\u001b[2J' } }),
    ],
    ['no scope', 'scopes', scoped({})],
    [
      '101 scopes',
      'scopes',
      scoped(Object.fromEntries([...Array(101).keys()].map((i) => [`s${i}`, { description: 'x' }]))),
    ],
    ['SP-7: a scope for everything', 'scopes.*', scoped({ '*': { description: 'All' } }, ['notes:read'])],
    ['a scope of administration', 'scopes.admin:users', scoped({ 'admin:users': { description: 'x' } })],
    ['a scope with a space', 'scopes.notes read', scoped({ 'notes read': { description: 'x' } }, ['notes:read'])],
    ['a default that is no scope of its own', 'defaultScopes', { defaultScopes: ['desk:admin'] }],
    ['a default out of the prototype', 'defaultScopes', { defaultScopes: ['constructor'] }],
    ['a role with a scope of another resource', 'roles.agent', { roles: { agent: ['desk:admin'] } }],
    ['a role that nobody can have', 'roles', { roles: { emperor: ['notes:read'] } }],
    ['a role out of the prototype', 'roles', { roles: { constructor: ['notes:read'] } }],
    ['a field that it does not know', 'request', { reserved: true }],
    ['an upstream that is not configured', 'upstream.name', using({ 'notes:read': ['users:read'] }, 'constructor')],
    ['an upstream for a scope of another', 'upstream.scopes.desk:read', using({ 'desk:read': ['users:read'] })],
    ['an upstream’s scope without words', 'upstream.scopes.notes:read', using({ 'notes:read': ['admin'] })],
    [
      'two sets of scopes at an upstream that keeps none apart',
      'upstream.scopes',
      using({ 'notes:read': ['users:read'], 'notes:write': ['chat:write'] }),
    ],
    ['keys without private_key_jwt', 'jwks', { jwks: { keys: [{ kty: 'EC' }] } }],
    ['private_key_jwt without keys', 'jwks', { authentication: 'private_key_jwt' }],
  ])('%s', async (_what, field, changes) => {
    const request = notesAt(undefined, changes);
    const answer = await admin.add(request);
    expect(answer.status).toBe(400);
    expect(answer.json?.errors).toContainEqual(expect.objectContaining({ field }));
    expect(answer.headers['content-type']).toContain('problem+json');
    expect(await server.database.prisma.resource.count({ where: { url: request.url } })).toBe(0);
    expect(await registeredAt(request.url)).toBeUndefined();
  });

  test('another set of scopes than others need, at an upstream that keeps none apart', async () => {
    const ask = (needed: string) => admin.add(notesAt(undefined, using({ 'notes:read': [needed] })));
    const answers = await Promise.all(['users:read', 'chat:write'].map(ask));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400]);
    const refused = answers.find(({ status }) => status === 400)?.json;
    expect(JSON.stringify(refused)).toMatch(/Let each of them need \[chat:write users:read\]/);
  });

  test('a name with markup is text on the consent page', async () => {
    const at = await added(notesAt(undefined, { name: '<img src=x onerror=alert(1)>' }));
    const client = await webClient('Markup');
    const person = createHttpPerson();
    const login = await person.open(authorizationRequest(at, client, asked).url);
    const { text } = (await person.submit(login, { ...OWNER, action: 'login' })).answer;
    expect(text).not.toContain('<img src=x');
    expect(plainText(text)).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });
});

describe('what is added at the same time', () => {
  test('of eight who add one URL at once, over two replicas, one does, and there is one client', async () => {
    const { access } = await adminTokens(target, { scope: 'admin:resources' });
    for (let round = 0; round < rounds(10); round++) {
      const request = notesAt();
      const answers = await Promise.all(Array.from({ length: 8 }, () => adminAtEither(access, request)));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
      const rows = await server.database.prisma.client.findMany({ where: { resourceServer: request.url } });
      expect(rows).toHaveLength(1);
    }
  });

  test('of eight who ask for credentials at once, one gets them', async () => {
    for (let round = 0; round < rounds(10); round++) {
      const { mcpUrl } = await added();
      await server.database.prisma.client.deleteMany({ where: { resourceServer: mcpUrl } });
      const answers = await Promise.all(Array.from({ length: 8 }, () => admin.credentials(mcpUrl)));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    }
  });

  let turn = 0;
  /** The first replica and the second in turn. */
  async function adminAtEither(token: string, body: unknown): Promise<{ status: number }> {
    const port = turn++ % 2 === 0 ? server.port : other.port;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    return sendRaw(`http://localhost:${port}/admin/api/v1/resources`, {
      method: 'POST',
      headers: { ...headers, host: new URL(server.issuer).host },
      body: JSON.stringify(body),
    });
  }
});

describe('a resource that was removed', () => {
  /** What the four doors answer for it, at both replicas. */
  async function answersAt(at: Target, { client, code, refresh, machine }: Holder): Promise<unknown[]> {
    const exchange = codeExchange(at, client, code);
    const credentials = { grant_type: 'client_credentials', resource: at.mcpUrl };
    return [
      await requestToken(target.server, exchange),
      await atOther(exchange),
      await requestToken(target.server, refreshRequest(client, refresh, at.mcpUrl)),
      await atOther(refreshRequest(client, refresh, at.mcpUrl)),
      await requestToken(target.server, credentials, { headers: machine }),
      await atOther(credentials, machine),
    ].map(({ status, json }) => [status, json?.error]);
  }

  type Holder = { client: TestClient; code: Code; refresh: string; machine: Record<string, string> };

  /** Somebody with a code, a refresh token, a remembered consent, and a machine. */
  async function holder(at: Target, person: HttpPerson): Promise<Holder> {
    const client = await webClient(`Holder ${at.mcpUrl}`);
    const { refresh } = await signedIn(at, client, person);
    const code = await obtainCode(at, client, { person, changes: asked });
    const { access } = await adminTokens(target, { scope: 'admin:clients' });
    const registered = await callAdmin(server.issuer, {
      token: access,
      method: 'POST',
      path: '/clients',
      body: { name: 'Robot', machine: true, authentication: 'client_secret_basic', resources: [at.mcpUrl] },
    });
    const { client: machine, clientSecret } = Object(registered.json);
    const authorization = `Basic ${Buffer.from(`${machine.id}:${clientSecret}`).toString('base64')}`;
    const works = await requestToken(
      target.server,
      { grant_type: 'client_credentials', resource: at.mcpUrl },
      { headers: { authorization } },
    );
    expect(works.status).toBe(200);
    return { client, code, refresh, machine: { authorization } };
  }

  test('AS-14: gets invalid_target at every door of both replicas, and its grants are gone', async () => {
    const at = await added();
    const person = createHttpPerson();
    const held = await holder(at, person);
    const { prisma } = server.database;
    const grants = { clientId: held.client.id };
    expect(await prisma.grant.count({ where: grants })).toBeGreaterThan(0);

    const removed = await admin.remove(at.mcpUrl);
    expect(removed).toMatchObject({ status: 200, json: { grants: 2, resource: { url: at.mcpUrl } } });
    expect(await answersAt(at, held)).toEqual(Array(6).fill([400, 'invalid_target']));
    // Without saying for what: the grant is over.
    const unnamed = await atOther(refreshRequest(held.client, held.refresh));
    expect([unnamed.status, unnamed.json?.error]).toEqual([400, 'invalid_grant']);
    for (const model of [prisma.grant, prisma.refreshToken, prisma.authorizationCode, prisma.consent] as const) {
      expect(await (model as typeof prisma.grant).count({ where: grants })).toBe(0);
    }
    const { url } = authorizationRequest(at, held.client, asked);
    const stranger = createHttpPerson({ headers: { host: url.host } });
    for (const step of [await person.open(url), await stranger.open(Object.assign(new URL(url), { port: other.port }))])
      expect(refusalOf(step)?.get('error')).toBe('invalid_target');
    expect(await registeredAt(at.mcpUrl)).toBeUndefined();
    expect((await admin.remove(at.mcpUrl)).status).toBe(404);
  });

  test('stays away although a grant, a code and a consent are still there', async () => {
    const at = await added();
    const person = createHttpPerson();
    const held = await holder(at, person);
    const client = await webClient('Spent');
    const spent = { client, refresh: (await signedIn(at, client)).refresh };
    // As if they had been written in the moment of the removal.
    await server.database.prisma.resource.delete({ where: { url: at.mcpUrl } });
    expect(await answersAt(at, held)).toEqual(Array(6).fill([400, 'invalid_target']));
    // A token that is refused without naming what it is for is spent, and takes its own client's grants along.
    const unnamed = await atOther(refreshRequest(spent.client, spent.refresh));
    expect([unnamed.status, unnamed.json?.error]).toEqual([400, 'invalid_target']);
    const step = await person.open(authorizationRequest(at, held.client, asked).url);
    expect(refusalOf(step)?.get('error')).toBe('invalid_target');

    // Nor do they come back with it.
    await admin.add(notesAt(at.mcpUrl));
    expect((await requestToken(target.server, refreshRequest(held.client, held.refresh))).json?.error).toBe(
      'invalid_grant',
    );
    expect(asks(await person.open(authorizationRequest(at, held.client, asked).url), 'approve')).toBe(true);
  });

  test('is gone from the middle of a sign-in: neither its login nor its consent leads to a code', async () => {
    for (const stage of ['login', 'consent'] as const) {
      const at = await added();
      const client = await webClient(`Midway ${stage}`);
      const person = createHttpPerson();
      let step = await person.open(authorizationRequest(at, client, asked).url);
      if (stage === 'consent') step = await person.submit(step, { ...OWNER, action: 'login' });
      expect(asks(step, stage === 'login' ? 'login' : 'approve')).toBe(true);
      await admin.remove(at.mcpUrl);
      const after = await person.submit(
        step,
        stage === 'login' ? { ...OWNER, action: 'login' } : { action: 'approve' },
      );
      expect(after.url.searchParams.get('code')).toBeNull();
      expect(await server.database.prisma.grant.count({ where: { clientId: client.id } })).toBe(0);
    }
  });

  test('once the removal is answered, nobody of those who refresh meanwhile gets another token', async () => {
    for (let round = 0; round < rounds(10); round++) {
      const at = await added();
      const client = await webClient(`Racing ${at.mcpUrl}`);
      const held: string[] = [];
      for (let i = 0; i < 8; i++) held.push((await signedIn(at, client)).refresh);
      const refresh = (token: string, i: number) =>
        i % 2 === 0
          ? requestToken(target.server, refreshRequest(client, token))
          : atOther(refreshRequest(client, token));
      const meanwhile = Promise.all(held.map(refresh));
      const [removed] = await Promise.all([admin.remove(at.mcpUrl), meanwhile]);
      expect(removed.status).toBe(200);
      const next = (await meanwhile).map(({ status, json }, i) =>
        status === 200 ? String(json?.refresh_token) : (held[i] ?? ''),
      );
      const late: JsonAnswer[] = await Promise.all(next.map(refresh));
      expect(late.map(({ status }) => status)).toEqual(Array(8).fill(400));
      await admin.add(notesAt(at.mcpUrl));
      const back: JsonAnswer[] = await Promise.all(next.map(refresh));
      expect(back.map(({ json }) => json?.error)).toEqual(Array(8).fill('invalid_grant'));
    }
  });

  test('takes nothing away from a resource whose URL begins or looks the same', async () => {
    const url = `https://${crypto.randomUUID()}.example/a_b`;
    const [gone, longer, similar] = [
      await added(notesAt(url)),
      await added(notesAt(`${url}/c`)),
      await added(notesAt(url.replace('a_b', 'axb'))),
    ];
    const client = await webClient('Neighbours');
    const person = createHttpPerson();
    const kept = [await signedIn(longer, client, person), await signedIn(similar, client, person)];
    await signedIn(gone, client, person);
    expect((await admin.remove(gone.mcpUrl)).json).toMatchObject({ grants: 1 });
    for (const { refresh } of kept) {
      expect((await requestToken(target.server, refreshRequest(client, refresh))).status).toBe(200);
    }
  });
});

/** Where the person was sent or shown the way to, with an error. */
function refusalOf(step: Awaited<ReturnType<HttpPerson['open']>>): URLSearchParams | undefined {
  return step.kind === 'left' ? step.url.searchParams : shownError(step.answer)?.searchParams;
}

describe('roles at a resource that was added', () => {
  test('SP-7: a role grants there what the resource says, and nothing of that name elsewhere', async () => {
    const twin = notesAt(undefined, {
      scopes: { 'desk:admin': { description: 'Look after the twin' }, 'twin:read': { description: 'Read the twin' } },
      defaultScopes: ['twin:read'],
      roles: { agent: ['desk:admin', 'twin:read'] },
    });
    const at = await added(twin);
    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER.email);
    const created = await users.create({ email: 'agent@example.com', roles: ['agent'], now: new Date() });
    if (!created.ok || !owner?.passwordHash) throw new Error('no user');
    const userId = created.user.id;
    await users.setPassword({ userId, passwordHash: owner.passwordHash, now: new Date() });
    const agent = { email: 'agent@example.com', password: OWNER.password };
    const client = await webClient('Twins');
    const person = createHttpPerson();
    const scopesOf = async (where: Target, scope: string) => {
      const { url, verifier } = authorizationRequest(where, client, { scope });
      const back = await person.authorize(url, { ...agent, scopes: scope.split(' ') });
      const code = back.searchParams.get('code');
      if (code === null) return back.searchParams.get('error');
      const { access, refresh } = tokensOf(await redeem(where, client, { code: { code, verifier } }));
      return { scope: readToken(access).claims.scope, refresh };
    };
    const there = await scopesOf(at, 'desk:admin twin:read');
    expect(there).toMatchObject({ scope: 'desk:admin twin:read' });
    expect(await scopesOf(target, 'desk:admin')).toBe('access_denied');
    expect(await scopesOf(target, 'desk:read')).toMatchObject({ scope: 'desk:read' });

    await users.update({ userId, roles: ['admin'], now: new Date() });
    const { refresh } = Object(there);
    const narrowed = await requestToken(target.server, refreshRequest(client, refresh));
    expect([narrowed.status, narrowed.json?.scope ?? '']).not.toContain('twin:read');
    expect(String(narrowed.json?.scope ?? '')).not.toContain('desk:admin');
  });
});

describe('the credentials of a resource server', () => {
  test('are shown once: neither the list, the database nor the audit trail has the secret', async () => {
    const { url, clientId, secret } = addedResource(await admin.add(notesAt()));
    expect(secret).toMatch(/^[\w-]{43}$/);
    const seen = [
      await dumpTables(server.database),
      (await admin.list('?limit=200')).text,
      (await admin.credentials(url)).text,
      (await admin.remove(url)).text,
    ].join('\n');
    expect(seen).toContain(clientId);
    expect(seen).not.toContain(secret);
  });

  test('are made for a resource of the configuration too, once; it cannot be removed', async () => {
    const made = addedResource(await admin.credentials(server.mcpUrl));
    expect(await registeredAt(server.mcpUrl)).toMatchObject({ id: made.clientId, state: 'active' });
    expect(await admin.credentials(server.mcpUrl)).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining(made.clientId) },
    });
    expect(await admin.remove(server.mcpUrl)).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining('PORTCULLIS_MCP_URL') },
    });
    expect((await admin.credentials('https://nobody.example/mcp')).status).toBe(404);
  });

  test('are rotated, disabled and enabled like those of any client, and deleted only with the resource', async () => {
    const { url, clientId, secret } = addedResource(await admin.add(notesAt()));
    const { access: token } = await adminTokens(target, { scope: 'admin:clients' });
    const change = (path: string, method = 'POST') =>
      callAdmin(server.issuer, { token, method, path: `/clients/${clientId}${path}` });
    const holds = (value: unknown) =>
      createClientStore(server.database).holdsSecret({ id: clientId, secret: String(value), now: new Date() });
    expect(await holds(secret)).toBe(true);
    const rotated = await change('/rotate-secret');
    expect([await holds(secret), await holds(rotated.json?.clientSecret)]).toEqual([true, true]);
    expect(await change('/disable')).toMatchObject({ status: 200, json: { client: { state: 'disabled' } } });
    expect(await registeredAt(url)).toMatchObject({ id: clientId, state: 'disabled' });
    expect(await change('/enable')).toMatchObject({ status: 200 });
    expect(await change('', 'DELETE')).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining('Remove the resource') },
    });
    await admin.remove(url);
    expect((await change('', 'DELETE')).status).toBe(404);
  });

  test('of a resource that is added again are others', async () => {
    const first = addedResource(await admin.add(notesAt()));
    await server.database.prisma.resource.delete({ where: { url: first.url } });
    const second = addedResource(await admin.add(notesAt(first.url)));
    expect(second.clientId).not.toBe(first.clientId);
    expect(await registeredAt(first.url)).toMatchObject({ id: second.clientId });
  });
});

describe('the list', () => {
  test('is read page by page: what is configured first, then what was added, by URL, each once', async () => {
    for (let i = 0; i < 3; i++) await added();
    const all: string[] = [];
    let next: unknown;
    do {
      const { json } = await admin.list(`?limit=2${next === undefined ? '' : `&cursor=${next}`}`);
      all.push(...Object(json).items.map(({ url }: { url: string }) => url));
      next = json?.next;
    } while (next !== undefined);
    const rows = await server.database.prisma.resource.findMany({ orderBy: { url: 'asc' } });
    expect(all).toEqual([server.mcpUrl, ...rows.map(({ url }) => url)]);
    expect((await admin.list('?cursor=x')).status).toBe(400);
  });

  test('every change is in the audit trail, with who made it', async () => {
    const { url, clientId } = addedResource(await admin.add(notesAt()));
    await admin.remove(url);
    const rows = await server.database.prisma.auditEvent.findMany({ where: { resource: url }, orderBy: { id: 'asc' } });
    expect(rows.map(({ type, client, outcome }) => [type, client, outcome])).toEqual([
      ['resource.added', clientId, 'success'],
      ['resource.removed', clientId, 'success'],
    ]);
  });

  test('a change that cannot be recorded is not made', async () => {
    const { mcpUrl } = await added();
    const { prisma } = server.database;
    const request = notesAt();
    await prisma.$executeRawUnsafe('ALTER TABLE "AuditEvent" RENAME TO "AuditEventAway"');
    try {
      expect((await admin.add(request)).status).toBe(500);
      expect((await admin.remove(mcpUrl)).status).toBe(500);
    } finally {
      await prisma.$executeRawUnsafe('ALTER TABLE "AuditEventAway" RENAME TO "AuditEvent"');
    }
    expect(await prisma.resource.findMany({ where: { url: { in: [mcpUrl, request.url] } } })).toHaveLength(1);
    expect(await registeredAt(mcpUrl)).toBeDefined();
    expect(await registeredAt(request.url)).toBeUndefined();
  });
});
