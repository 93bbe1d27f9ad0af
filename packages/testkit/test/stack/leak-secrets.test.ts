import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createEnvelope,
  createOneTimeLinkStore,
  createSigningKeyStore,
  createUserStore,
  dumpTables,
  openDatabase,
  parseMasterKey,
} from '@portcullis/persistence';
import { postgresqlPrograms } from '@portcullis/test-database';
import type { HttpPerson, JsonAnswer, Stack, Step } from '../../src/index.ts';
import {
  bearer,
  callMcp,
  createHttpPerson,
  dumpDatabase,
  dumpText,
  requestToken,
  sendJson,
  sendRaw,
  startStack,
} from '../../src/index.ts';
import { signInAtAccount } from './support/account.ts';
import type { Target, TestClient } from './support/authorization.ts';
import { authorizationRequest, codeExchange, registerClient, targetOf, tokensOf } from './support/authorization.ts';
import { type Collector, startCollector } from './support/collector.ts';
import { basicAuthorization } from './support/listening-guard.ts';
import { callTool } from './support/mcp-message.ts';
import { askForToken, shownToken } from './support/personal-access-tokens.ts';

const OWNER = { email: 'owner@example.com', password: 'the-first-password-of-the-owner' };
const SCOPE = 'desk:read desk:write';

let stack: Stack;
let collector: Collector;
let target: Target;
const secrets = new Map<string, string>();

/** Notes a value that nobody but its two holders may ever find. */
function keep<Value extends string>(what: string, value: Value): Value {
  if (value.length < 16) throw new Error(`${what} is too short to look for`);
  secrets.set(`${what} #${secrets.size}`, value);
  return value;
}

/** Notes the cookies and form tokens of a step. */
function noted(person: HttpPerson, step: Step): Step {
  for (const { name, value } of person.cookies.entries()) {
    // The id of an interaction stands in its page's address; what proves the browser is the signature beside it.
    if (value.length >= 16 && !/-(interaction|resume)$/.test(name))
      keep(`cookie ${name.replace(/^__Host-/, '')}`, value);
  }
  for (const form of step.kind === 'page' ? step.forms : []) {
    const token = new Map(form.defaults).get('form_token');
    if (token) keep('form token', token);
  }
  return step;
}

async function follow(person: HttpPerson, work: Promise<Step>): Promise<Step> {
  return noted(person, await work);
}

/** Signs in (wrongly first, with `wrong`), consents, and redeems the code. */
async function signInAs(person: HttpPerson, client: TestClient, account: typeof OWNER): Promise<JsonAnswer> {
  const { url, verifier, state } = authorizationRequest(target, client, { scope: SCOPE });
  let step = await follow(person, person.open(url));
  step = await follow(
    person,
    person.submit(step, {
      ...account,
      password: keep('wrong password', `wrong ${crypto.randomUUID()}`),
      action: 'login',
    }),
  );
  step = await follow(person, person.submit(step, { ...account, action: 'login' }));
  step = await follow(person, person.submit(step, { action: 'approve' }));
  const code = { code: keep('code', step.url.searchParams.get('code') ?? ''), verifier: keep('verifier', verifier) };
  keep('state', state);
  const secret = client.secret === undefined ? {} : { client_secret: client.secret };
  const params = { ...codeExchange(target, client, code), ...secret };
  const wrong = await requestToken(target.server, {
    ...params,
    code_verifier: keep('wrong verifier', `${verifier}-wrong`),
  });
  expect(wrong.status).toBe(400);
  const answer = await requestToken(target.server, params);
  const { access, refresh } = tokensOf(answer);
  keep('access token', access);
  keep('signature of an access token', access.split('.')[2] ?? '');
  keep('refresh token', refresh);
  return answer;
}

async function confidentialClient(method: string): Promise<TestClient> {
  const client = await registerClient(target, { token_endpoint_auth_method: method });
  keep('client secret', client.secret ?? '');
  return client;
}

async function driveEverything(): Promise<void> {
  const link = await stack.setupLink();
  keep('set-up token', new URL(link).searchParams.get('token') ?? '');
  const owner = createHttpPerson();
  const page = await follow(owner, owner.open(link));
  await follow(owner, owner.submit(page, { email: OWNER.email, password: 'short' }));
  await follow(owner, owner.submit(page, OWNER));
  keep('password', OWNER.password);

  const client = await registerClient(target);
  const { access, refresh } = tokensOf(await signInAs(createHttpPerson(), client, OWNER));
  await useTheTools(access);
  await askAsTheDesk(access);
  await refreshAndRevoke(client, refresh);
  await usePersonalAccessToken();
  await misplaceSecrets(client, access);

  await lookAfterRegistration();
  const confidential = await confidentialClient('client_secret_post');
  await signInAs(createHttpPerson(), confidential, OWNER);
  const basic = await confidentialClient('client_secret_basic');
  const wrong = keep('wrong client secret', `wrong-${crypto.randomUUID()}`);
  const authorization = `Basic ${keep('basic credentials', Buffer.from(`${basic.id}:${wrong}`).toString('base64'))}`;
  await requestToken(target.server, { grant_type: 'authorization_code' }, { headers: { authorization } });
  await requestToken(target.server, {
    grant_type: 'authorization_code',
    client_id: confidential.id,
    client_secret: wrong,
  });

  // A new password ends all that was allowed before it.
  await loseAnAnswer(client, await setPassword());
}

/** A client that reads, changes and removes its registration, and puts the token for that where it does not belong. */
async function lookAfterRegistration(): Promise<void> {
  const metadata = { client_name: 'looked after', redirect_uris: ['https://app.example/callback'] };
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(metadata) };
  const { json: made } = await sendJson(`${stack.issuer}/register`, json);
  keep('client secret', String(made?.client_secret));
  const token = keep('registration access token', String(made?.registration_access_token));
  const uri = String(made?.registration_client_uri);
  await sendRaw(`${uri}?access_token=${token}`, { headers: bearer(`${token}x`) });
  await sendRaw(`${uri}/${token}`, { headers: bearer(token) });
  await callMcp(stack.mcpUrl, { headers: bearer(token) });
  expect((await sendJson(uri, { headers: bearer(token) })).status).toBe(200);
  expect((await sendRaw(uri, { method: 'DELETE', headers: bearer(token) })).status).toBe(204);
}

async function refreshAndRevoke(client: TestClient, first: string): Promise<void> {
  const refresh = (token: string) =>
    requestToken(target.server, { grant_type: 'refresh_token', refresh_token: token, client_id: client.id });
  const second = tokensOf(await refresh(first));
  keep('access token', second.access);
  keep('refresh token', second.refresh);
  const third = tokensOf(await refresh(second.refresh));
  keep('refresh token', third.refresh);
  const body = new URLSearchParams({ token: third.refresh, client_id: client.id });
  expect((await sendJson(`${stack.issuer}/revoke`, { body })).status).toBe(200);
  expect((await refresh(third.refresh)).status).toBe(400);
  expect((await refresh(first)).status).toBe(400);
}

/** Leaves an answer behind that may be given again. */
async function loseAnAnswer(client: TestClient, account: typeof OWNER): Promise<void> {
  const { refresh: token } = tokensOf(await signInAs(createHttpPerson(), client, account));
  const params = { grant_type: 'refresh_token', refresh_token: token, client_id: client.id };
  const lost = tokensOf(await requestToken(target.server, params));
  expect(tokensOf(await requestToken(target.server, params))).toEqual(lost);
  keep('access token', lost.access);
  keep('signature of an access token', lost.access.split('.')[2] ?? '');
  keep('refresh token', lost.refresh);
}

async function useTheTools(token: string): Promise<void> {
  const call = (name: string, args = {}) => callTool(stack.mcpUrl, { token, name, args });
  for (const answer of [
    await call('whoami'),
    await call('search_tickets'),
    await call('read_ticket', { ticketId: 'T-1001' }),
    await call('reply_to_ticket', { ticketId: 'T-1001', body: 'Hello' }),
  ]) {
    expect(answer.result).toBeDefined();
    expect(answer.text).not.toContain(token);
  }
  await call('no_such_tool', { token });
  await call('search_tickets', { unknown: token });
}

/** Made at the account page, used at the desk, and put where it does not belong. */
async function usePersonalAccessToken(): Promise<void> {
  const person = createHttpPerson();
  await follow(person, signInAtAccount(stack.issuer, person, OWNER));
  const page = await follow(person, person.open(`${stack.issuer}/account/tokens/new`));
  const holder = { who: { ...OWNER, userId: '' }, person, page, resource: stack.mcpUrl };
  const token = keep('personal access token', shownToken(await follow(person, askForToken(holder))));
  keep('personal access token', token.slice('pct_'.length, -6));
  await useTheTools(token);
  await callMcp(`${new URL(stack.mcpUrl).origin}/${token}`, { headers: bearer(`${token}x`) });
  await sendRaw(`${stack.issuer}/admin/api/v1/personal-access-tokens/${token}`, { headers: bearer(token) });
  await sendRaw(`${stack.issuer}/account/tokens/${token}/revoke?token=${token}`, { headers: bearer(token) });
  await requestToken(target.server, { grant_type: 'refresh_token', refresh_token: token, client_id: token });
}

/** The desk listens by itself; here its secret, and a wrong one, go to the other place that takes them. */
async function askAsTheDesk(token: string): Promise<void> {
  const secret = keep('client secret', stack.env.mcpServer.PORTCULLIS_MCP_CLIENT_SECRET ?? '');
  for (const clientSecret of [secret, keep('wrong client secret', `wrong-${crypto.randomUUID()}`)]) {
    const headers = basicAuthorization({ clientId: 'mcp-server', clientSecret });
    keep('basic credentials', headers.authorization.split(' ')[1] ?? '');
    await sendJson(`${stack.issuer}/introspect`, { body: new URLSearchParams({ token }), headers });
    await sendRaw(`${stack.issuer}/revocations?client_secret=${clientSecret}`, { method: 'HEAD', headers });
  }
}

/** Clients that put secrets where they do not belong: into addresses, headers and fields that end up in logs. */
async function misplaceSecrets(client: TestClient, access: string): Promise<void> {
  await callMcp(`${stack.mcpUrl}?access_token=${access}`);
  await callMcp(stack.mcpUrl, { headers: bearer(`${access}x`) });
  await callMcp(stack.mcpUrl, { headers: { authorization: `Token ${access}` } });
  await callMcp(`${new URL(stack.mcpUrl).origin}/${access}`, { headers: bearer(access) });
  const password = keep('misplaced password', `misplaced-${crypto.randomUUID()}`);
  const { issuer } = stack;
  await sendRaw(`${issuer}/authorize?client_id=${client.id}&access_token=${access}&password=${password}`);
  await sendRaw(`${issuer}/token?client_secret=${password}`, { body: new URLSearchParams({ code: password }) });
  await sendRaw(`${issuer}/interaction/x?password=${password}`, { body: new URLSearchParams({ password }) });
  await sendRaw(`${issuer}/setup?token=${password}`);
  await sendRaw(`${issuer}/password?token=${password}`);
  await sendRaw(`${issuer}/register`, {
    headers: { 'content-type': 'application/json', ...bearer(access) },
    body: `{"client_secret":"${password}",`,
  });
  await sendRaw(`${issuer}/register`, {
    headers: { 'content-type': 'application/json', referer: `${issuer}/x?code=${password}` },
    body: JSON.stringify({ redirect_uris: ['not a uri'], client_secret: password, software_statement: access }),
  });
  await requestToken(target.server, { grant_type: password, client_id: client.id });
  await requestToken(target.server, {
    grant_type: 'authorization_code',
    client_id: client.id,
    code: password,
    code_verifier: password.padEnd(43, 'x'),
    redirect_uri: client.redirectUri,
  });
  await requestToken(target.server, {
    grant_type: 'refresh_token',
    client_id: client.id,
    refresh_token: password,
    scope: password,
  });
  await sendRaw(`${issuer}/revoke`, { body: new URLSearchParams({ token: password, client_id: client.id }) });
}

/** A new user's way in: a one-time link and a password of their own. */
async function setPassword(): Promise<typeof OWNER> {
  const database = await openDatabase({ url: stack.databases.authorizationServer });
  const user = await createUserStore(database).findByEmail(OWNER.email);
  if (!user) throw new Error('no owner');
  const now = new Date();
  const issued = { purpose: 'password', userId: user.id, now, ttlSeconds: 3600 } as const;
  const token = keep('password link', await createOneTimeLinkStore(database).issue(issued));
  await database.close();
  const person = createHttpPerson();
  const page = await follow(person, person.open(`${stack.issuer}/password?token=${token}`));
  const password = keep('second password', 'the-second-password-of-the-owner');
  expect((await follow(person, person.submit(page, { password }))).answer.status).toBe(200);
  const back = await createHttpPerson().authorize(authorizationRequest(target, await registerClient(target)).url, {
    ...OWNER,
    password,
  });
  keep('code', back.searchParams.get('code') ?? '');
  return { ...OWNER, password };
}

/** The keys that the server made for itself. */
async function keepItsOwnKeys(): Promise<void> {
  const text = (await readFile(join(stack.dataDir, 'master-key'), 'utf8')).trim();
  const master = parseMasterKey(keep('master key', text));
  if (!master) throw new Error('no master key');
  const database = await openDatabase({ url: stack.databases.authorizationServer });
  const { keys } = await createSigningKeyStore(database, createEnvelope(master)).load();
  expect(keys.length).toBeGreaterThanOrEqual(2);
  await database.close();
  for (const { jwk } of keys) keep('private signing key', String(jwk.d));
}

/** What was kept and stands in `text`, as it is or in another spelling. */
function found(text: string, expected: readonly string[] = []): string[] {
  return [...secrets].flatMap(([what, secret]) => {
    if (expected.some((start) => what.startsWith(start))) return [];
    const bytes = Buffer.from(secret);
    const spellings = [
      secret,
      encodeURIComponent(secret),
      bytes.toString('hex'),
      bytes.toString('base64').replace(/=+$/, ''),
      bytes.toString('base64url'),
    ];
    return spellings.some((spelling) => text.includes(spelling)) ? [what] : [];
  });
}

/** Every file below a folder, as bytes. */
async function filesBelow(folder: string): Promise<[string, Buffer][]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map(async (file): Promise<[string, Buffer]> => [file, await readFile(file)]));
}

async function pgDump(url: string): Promise<string> {
  const program = join(postgresqlPrograms() ?? '', 'pg_dump');
  const { stdout } = await promisify(execFile)(program, ['--dbname', url], { maxBuffer: 256 * 1024 * 1024 });
  return stdout;
}

beforeAll(async () => {
  collector = await startCollector();
  stack = await startStack({ env: { LOG_LEVEL: 'trace', ...collector.env } });
  target = await targetOf(stack);
  await driveEverything();
  await keepItsOwnKeys();
}, 120_000);

afterAll(async () => {
  await stack?.stop();
  await collector?.close();
});

/*
 * These are the ways of users, apps, the desk and its clients. Others search where they are driven: `attack-upstream` for
 * what an upstream gave, `attack-sign-in-elsewhere`, `attack-assertions` (EX-12), `command-line` for administration, and
 * `registration-management`.
 */
describe('of all secrets that were used here (SP-4, SP-8, AS-44)', () => {
  test('there are some of every kind, and the search finds what is there', () => {
    const kinds = new Set([...secrets.keys()].map((what) => what.replace(/ #\d+$/, '')));
    for (const kind of [
      'set-up token',
      'password',
      'code',
      'verifier',
      'access token',
      'refresh token',
      'client secret',
      'password link',
      'personal access token',
      'registration access token',
      'form token',
      'cookie portcullis',
      'cookie portcullis.sig',
      'master key',
      'private signing key',
    ]) {
      expect([...kinds]).toContain(kind);
    }
    for (const [what, secret] of secrets) {
      expect(found(`before ${Buffer.from(secret).toString('hex')} after`)).toContain(what);
    }
  });

  test('none stands in a table', async () => {
    for (const url of Object.values(stack.databases)) {
      const dump = dumpText(await dumpDatabase(url));
      expect(dump.length).toBeGreaterThan(1000);
      expect(found(dump)).toEqual([]);
    }
    const database = await openDatabase({ url: stack.databases.authorizationServer });
    const lines = await dumpTables(database);
    await database.close();
    expect(lines).toContain(OWNER.email);
    expect(lines).toMatch(/"sealedAnswer":"v1\./);
    expect(found(lines)).toEqual([]);
  });

  test('none stands in the output of a process, but for the set-up link', () => {
    const logs = stack.logs();
    expect(logs).toContain('"msg":"request"');
    // The cookie of the set-up page holds the link's token.
    expect(found(logs, ['set-up token', 'cookie portcullis-setup'])).toEqual([]);
    expect(logs.split(secrets.get('set-up token #0') ?? '-')).toHaveLength(2);
  });

  test('none stands in the bytes of a file, but for the master key in its own', async () => {
    await stack.stopServers();
    const files = await filesBelow(stack.dataDir);
    expect(files.map(([file]) => file)).toContain(join(stack.dataDir, 'master-key'));
    for (const [file, bytes] of files) {
      const expected = file.endsWith('master-key') ? ['master key'] : [];
      expect([file, found(bytes.toString('latin1'), expected)]).toEqual([file, []]);
    }
    if (globalThis.portcullisTestDatabase !== 'postgresql') return;
    for (const url of Object.values(stack.databases)) expect(found(await pgDump(url))).toEqual([]);
  });

  test('none stands in what was sent to a collector of traces, nor whom it was about', () => {
    const names = new Set(collector.spans().map(({ service, name }) => `${service} ${name}`));
    for (const name of [
      'portcullis-authorization-server POST /token',
      'portcullis-authorization-server POST /interaction/:uid',
      'portcullis-authorization-server database transaction',
      'portcullis-mcp-server tools/call search_tickets',
      'portcullis-mcp-server database query',
    ])
      expect([...names]).toContain(name);
    expect(found(collector.text())).toEqual([]);
    expect(collector.text()).not.toContain(OWNER.email);
    expect(collector.text()).not.toMatch(/[?&](code|state|token|client_id)=/);
  });
});
