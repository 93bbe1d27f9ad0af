import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore, createGrantStore, createUserStore } from '@portcullis/persistence';
import { createTestDatabase, type TestDatabase } from '@portcullis/test-database';
import { createHttpPerson, type JsonAnswer, readToken, sendJson } from '../../src/index.ts';
import { obtainCode, redeem, registerClient, type Target, targetOf, tokensOf } from './support/authorization.ts';
import { type InProcess, startInProcess } from './support/in-process.ts';
import { basicAuthorization, registerResourceServer, type ServerCredentials } from './support/listening-guard.ts';
import { OWNER, OWNER_ENV } from './support/owner.ts';

let database: TestDatabase;
let server: InProcess;
let target: Target;
let desk: ServerCredentials;
let other: ServerCredentials;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
  target = await targetOf(server);
  desk = await registerResourceServer(server.database, server.mcpUrl);
  other = await registerResourceServer(server.database, 'https://other.example/mcp');
});

afterAll(async () => {
  await server?.close();
  await database?.drop();
});

let clients = 0;
async function signIn() {
  clients += 1;
  const client = await registerClient(target, { client_name: `Client ${clients}` });
  const code = await obtainCode(target, client, { person: createHttpPerson() });
  return { ...tokensOf(await redeem(target, client, { code })), client };
}

function introspect(token: string, headers: Record<string, string>): Promise<JsonAnswer> {
  return sendJson(`${server.issuer}/introspect`, { body: new URLSearchParams({ token }), headers });
}

const asDesk = (token: string) => introspect(token, basicAuthorization(desk));
const INACTIVE = { status: 200, json: { active: false } };

describe('introspection (RFC 7662)', () => {
  test('stands in the metadata, beside the feed of revocations', async () => {
    const { json } = await sendJson(`${server.issuer}/.well-known/oauth-authorization-server`, {});
    expect(json).toMatchObject({
      introspection_endpoint: `${server.issuer}/introspect`,
      revocation_endpoint: `${server.issuer}/revoke`,
      revocation_events_endpoint: `${server.issuer}/revocations`,
    });
  });

  test('tells the server of the resource what a living access token says', async () => {
    const { access } = await signIn();
    const { claims } = readToken(access);
    const { status, json, headers } = await asDesk(access);
    expect({ status, json }).toEqual({ status: 200, json: { ...claims, active: true, token_type: 'Bearer' } });
    expect(headers['cache-control']).toBe('no-store');
  });

  test('tells nobody else anything: `active` is false, and that is all (SP-9)', async () => {
    const { access, refresh, client } = await signIn();
    const users = await registerClient(target, {
      client_name: 'Confidential',
      token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: ['https://app.example/callback'],
    });
    const asUsers = basicAuthorization({ clientId: users.id, clientSecret: users.secret ?? '' });
    expect(await introspect(access, basicAuthorization(other))).toMatchObject(INACTIVE);
    expect((await introspect(access, asUsers)).json).toEqual({ active: false });
    const own = await sendJson(`${server.issuer}/introspect`, {
      body: new URLSearchParams({ token: access, client_id: client.id }),
    });
    expect(own.json).toEqual({ active: false });
    for (const token of [refresh, 'unknown', `${access.slice(0, -4)}AAAA`, 'eyJhbGciOiJub25lIn0.e30.']) {
      expect(await asDesk(token)).toMatchObject(INACTIVE);
      expect((await asDesk(token)).json).toEqual({ active: false });
    }
  });

  test('demands the right secret, and not too many wrong ones', async () => {
    const { access } = await signIn();
    const guessed = await registerResourceServer(server.database, 'https://guessed.example/mcp');
    const wrong = basicAuthorization({ ...guessed, clientSecret: 'guess' });
    expect(await introspect(access, {})).toMatchObject({ status: 400, json: { error: 'invalid_request' } });
    expect(await introspect(access, wrong)).toMatchObject({ status: 401, json: { error: 'invalid_client' } });
    for (let tries = 0; tries < 20; tries += 1) await introspect(access, wrong);
    expect(await introspect(access, wrong)).toMatchObject({ status: 429 });
    expect(await introspect(access, basicAuthorization(guessed))).toMatchObject({ status: 429 });
    expect(await asDesk(access)).toMatchObject({ status: 200, json: { active: true } });
  });

  test('says only the scopes that the grant still has', async () => {
    const { access } = await signIn();
    const id = String(readToken(access).claims.gid);
    await server.database.prisma.grant.update({
      where: { id },
      data: { resources: JSON.stringify({ [server.mcpUrl]: 'desk:write' }) },
    });
    expect((await asDesk(access)).json).toMatchObject({ active: true, scope: '' });
  });

  test('says only what an administrator still lets the client have: scopes and resources', async () => {
    const { access, client } = await signIn();
    const limit = (allowed: { allowedScopes?: string; allowedResources?: string }) =>
      server.database.prisma.client.update({ where: { id: client.id }, data: allowed });
    await limit({ allowedScopes: '["desk:write"]' });
    expect((await asDesk(access)).json).toMatchObject({ active: true, scope: '' });
    await limit({ allowedScopes: '["desk:read"]' });
    expect((await asDesk(access)).json).toMatchObject({ active: true, scope: 'desk:read' });
    await limit({ allowedResources: '["https://other.example/mcp"]' });
    expect((await asDesk(access)).json).toEqual({ active: false });
  });

  test('judges what is true now: grant, user, client and time', async () => {
    const now = () => server.now();
    const [revoked, disabled, expired] = [await signIn(), await signIn(), await signIn()];
    await createGrantStore(server.database).revoke({ id: String(readToken(revoked.access).claims.gid), now: now() });
    expect((await asDesk(revoked.access)).json).toEqual({ active: false });

    const clientStore = createClientStore(server.database);
    await clientStore.setDisabled({ id: disabled.client.id, disabled: true, now: now() });
    expect((await asDesk(disabled.access)).json).toEqual({ active: false });

    const users = createUserStore(server.database);
    const owner = await users.findByEmail(OWNER.email);
    if (!owner) throw new Error('no owner');
    expect((await asDesk(expired.access)).json).toMatchObject({ active: true });
    await users.setDisabled({ userId: owner.id, disabled: true, now: now() });
    expect((await asDesk(expired.access)).json).toEqual({ active: false });
    await users.setDisabled({ userId: owner.id, disabled: false, now: now() });

    // Also where nobody wrote down that tokens have ended.
    const [user, app] = [await signIn(), await signIn()];
    const { prisma } = server.database;
    await prisma.client.update({ where: { id: app.client.id }, data: { disabledAt: now() } });
    expect((await asDesk(app.access)).json).toEqual({ active: false });
    expect((await asDesk(user.access)).json).toMatchObject({ active: true });
    await prisma.user.update({ where: { id: owner.id }, data: { disabledAt: now() } });
    expect((await asDesk(user.access)).json).toEqual({ active: false });
    await prisma.user.update({ where: { id: owner.id }, data: { disabledAt: null } });
    await prisma.grant.deleteMany({ where: { id: String(readToken(user.access).claims.gid) } });
    expect((await asDesk(user.access)).json).toEqual({ active: false });

    server.pass(30);
    const last = await signIn();
    expect((await asDesk(last.access)).json).toMatchObject({ active: true });
    server.pass(301);
    expect((await asDesk(last.access)).json).toEqual({ active: false });
  });
});
