import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createClientStore, createEnvelope, createUpstreamConnectionStore, dumpTables } from '@portcullis/persistence';
import { rounds } from '@portcullis/test-database';
import type { HttpPerson, Step } from '../../src/index.ts';
import { asks, createHttpPerson, plainText, readToken, requestToken, sendRaw } from '../../src/index.ts';
import { act, join, signInAtAccount, words } from './support/account.ts';
import { adminTokens } from './support/administration.ts';
import { registerClient, type TestClient } from './support/authorization.ts';
import { createCommandLine } from './support/command-line.ts';
import { MASTER_KEY } from './support/in-process.ts';
import { OWNER } from './support/owner.ts';
import { makeToken, newHolder } from './support/personal-access-tokens.ts';
import {
  answerThere,
  approve,
  connectThrough,
  exchange,
  isAtThirdParty,
  MCP_CLIENT,
  openConsent,
  type Proxied,
  startProxied,
} from './support/upstream.ts';

let proxied: Proxied;

beforeAll(async () => {
  proxied = await startProxied();
});

afterAll(() => proxied?.stop());

beforeEach(() => proxied.third.misbehave({}));

let clients = 0;
const newClient = (): Promise<TestClient> => registerClient(proxied.target, { client_name: `Helper ${++clients}` });

/** How many connections are stored, and how many grants may use one. */
async function stored(): Promise<{ connections: number; linked: number }> {
  const { prisma } = proxied.server.database;
  return {
    connections: await prisma.upstreamConnection.count(),
    linked: await prisma.upstreamAgreement.count({ where: { connectionId: { not: null } } }),
  };
}

/** Goes as far as the third party's door: agreed here, not there. */
async function atTheDoor(person: HttpPerson): Promise<{ client: TestClient; step: Step }> {
  const client = await newClient();
  const who = await join(proxied.server, `person-${++clients}@example.com`);
  const { step } = await openConsent(proxied, client, { person, who });
  return { client, step: await approve(person, step) };
}

/** Whoever is signed in at this server, with nothing connected. */
async function newcomer() {
  const who = await join(proxied.server, `person-${++clients}@example.com`);
  return { person: createHttpPerson(), who };
}

describe('the way to the third party and back (PX-11, PX-12)', () => {
  it('a state is good once', async () => {
    const person = createHttpPerson();
    const { step } = await atTheDoor(person);
    const back = await answerThere(person, step);
    const { name, value } = person.cookies.entries().find((one) => one.name.includes('upstream')) ?? {};
    expect(name).toEqual(expect.any(String));
    expect((await person.open(back)).url.searchParams.get('code')).toEqual(expect.any(String));
    const before = await stored();
    const again = await sendRaw(back, { headers: { cookie: `${name}=${value}` } });
    expect(again.status).toBe(400);
    expect(plainText(again.text)).toContain('not expected');
    expect(await stored()).toEqual(before);
  });

  it('a state is of no use in another browser, nor without the cookie, nor after ten minutes', async () => {
    const person = createHttpPerson();
    const { step } = await atTheDoor(person);
    const back = await answerThere(person, step);
    const before = await stored();
    const stranger = createHttpPerson();
    await atTheDoor(stranger);
    for (const other of [stranger, createHttpPerson()]) expect((await other.open(back)).answer.status).toBe(400);
    // Whoever knows the state can name the cookie, but not what it holds.
    const { name } = person.cookies.entries().find((one) => one.name.includes('upstream')) ?? {};
    for (const value of ['made-up', back.searchParams.get('state')])
      expect((await sendRaw(back, { headers: { cookie: `${name}=${value}` } })).status).toBe(400);
    proxied.server.pass(601);
    expect((await person.open(back)).answer.status).toBe(400);
    proxied.server.pass(-601);
    expect(await stored()).toEqual(before);
  });

  it('a callback that nobody started, without a state, or with two, is refused', async () => {
    const callback = `${proxied.server.issuer}/upstream/elsewhere/callback`;
    for (const query of ['?code=x&state=made-up', '?code=x', '?code=x&state=a&state=b', '?error=access_denied', '']) {
      expect((await createHttpPerson().open(`${callback}${query}`)).answer.status).toBe(400);
    }
  });

  it('an answer that comes to another connector than the one that was started is refused', async () => {
    const person = createHttpPerson();
    const { step } = await atTheDoor(person);
    const back = await answerThere(person, step);
    for (const [connector, status] of [
      ['together', 400],
      ['another', 404],
    ] as const) {
      const swapped = back.href.replace('/upstream/elsewhere/', `/upstream/${connector}/`);
      expect((await person.open(swapped)).answer.status).toBe(status);
    }
    expect((await person.open(back)).url.searchParams.get('code')).toEqual(expect.any(String));
  });

  it.each(['wrong_iss', 'no_iss', 'error'] as const)(
    '%s: refused in plain words, nothing stored, begun again',
    async (fault) => {
      const { person, who } = await newcomer();
      const client = await newClient();
      await proxied.third.misbehave({ authorize: fault });
      const { step } = await openConsent(proxied, client, { person, who });
      const before = await stored();
      const page = await person.open(await answerThere(person, await approve(person, step)));
      expect(page.answer.status).toBe(400);
      expect(words(page)).toContain('Third Party is not connected');
      expect(await stored()).toEqual(before);
      const redeemed = (await proxied.third.requests()).filter(({ url }) => url.endsWith('/token')).length;
      await proxied.third.misbehave({});
      const again = await person.submit(page, { action: 'connect' });
      expect(isAtThirdParty(proxied, again)).toBe(true);
      expect((await person.open(await answerThere(person, again))).url.searchParams.get('code')).toEqual(
        expect.any(String),
      );
      // What came before was never sent to the token endpoint.
      const after = (await proxied.third.requests()).filter(({ url }) => url.endsWith('/token')).length;
      expect(after - redeemed).toBe(1);
    },
  );

  it.each(['down', 'error', 'slow'] as const)(
    'a token endpoint that is %s: said plainly, nothing stored, begun again',
    async (fault) => {
      const { person, who } = await newcomer();
      const client = await newClient();
      const { step } = await openConsent(proxied, client, { person, who });
      const before = await stored();
      await proxied.third.misbehave({ token: fault });
      const page = await person.open(await answerThere(person, await approve(person, step)));
      expect(page.answer.status).toBe(400);
      expect(words(page)).toMatch(
        { down: /cannot be reached/, error: /cannot be used|with an error/, slow: /too long/ }[fault],
      );
      expect(await stored()).toEqual(before);
      await proxied.third.misbehave({});
      const again = await person.submit(page, { action: 'connect' });
      expect((await person.open(await answerThere(person, again))).url.searchParams.get('code')).toEqual(
        expect.any(String),
      );
    },
  );

  it('AS-8: who refuses there gets back to the app with access_denied and iss, and nothing is stored', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who });
    const before = await stored();
    const page = await person.open(await answerThere(person, await approve(person, step), { decision: 'refuse' }));
    const left = await person.submit(page, { action: 'deny' });
    expect(left.url.searchParams.get('error')).toBe('access_denied');
    expect(left.url.searchParams.get('iss')).toBe(proxied.server.issuer);
    expect(await stored()).toEqual(before);
  });

  it('SP-37: whoever comes back without a connection again and again leaves a few records, and the number of the rest', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { server } = proxied;
    const { step } = await openConsent(proxied, client, { person, who });
    await proxied.third.misbehave({ authorize: 'error' });
    let there = await approve(person, step);
    const refusals = 45;
    for (let nth = 0; nth < refusals; nth++) {
      const page = await person.open(await answerThere(person, there));
      expect(page.answer.status).toBe(400);
      there = await person.submit(page, { action: 'connect' });
    }
    const { prisma } = server.database;
    const where = { type: 'upstream.refused', subject: who.userId };
    const recorded = await prisma.auditEvent.findMany({ where });
    // Twice as many where a window ends in between.
    expect(recorded.length).toBeGreaterThanOrEqual(20);
    expect(recorded.length).toBeLessThanOrEqual(40);
    for (const { detail } of recorded)
      expect(JSON.parse(detail ?? '{}')).toMatchObject({ upstream: 'elsewhere', reason: expect.any(String) });
    const key = { startsWith: 'person-refusals:', contains: who.userId };
    const counters = await prisma.rateLimit.findMany({ where: { key } });
    expect(counters.reduce((sum, { points }) => sum + points, 0)).toBe(refusals);
  });

  it('more access than was agreed to is given back, and not stored', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who });
    const before = await stored();
    await proxied.third.misbehave({ extraScope: 'repo:write' });
    const page = await person.open(await answerThere(person, await approve(person, step)));
    expect(words(page)).toContain('more access than you had agreed to');
    expect(await stored()).toEqual(before);
    const revoked = (await proxied.third.requests()).filter(({ url }) => url.endsWith('/revoke'));
    expect(revoked.at(-1)?.body).toContain('third-party-');
  });

  it('a token that has none of the scopes that were agreed to is given back, and not stored', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who });
    const before = await stored();
    await proxied.third.misbehave({ scope: '' });
    const page = await person.open(await answerThere(person, await approve(person, step)));
    expect(words(page)).toContain('gave nothing of the access that you had agreed to');
    expect(await stored()).toEqual(before);
    const revoked = (await proxied.third.requests()).filter(({ url }) => url.endsWith('/revoke'));
    expect(revoked.at(-1)?.body).toContain('third-party-');
  });

  it('when another user has signed in at this browser meanwhile, the answer is worth nothing', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who });
    const back = await answerThere(person, await approve(person, step));
    const page = await person.open(`${proxied.server.issuer}/account`);
    await act(person, page, { path: '/account/sign-out', action: 'sign-out' });
    await signInAtAccount(proxied.server.issuer, person, OWNER);
    const before = await stored();
    expect((await person.open(back)).answer.status).toBe(400);
    expect(await stored()).toEqual(before);
  });

  it('one answer, eight times at once over two replicas, is taken once', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who });
    const back = await answerThere(person, await approve(person, step));
    const cookie = person.cookies.header(back) ?? '';
    const { host } = new URL(proxied.server.issuer);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => {
        const port = index % 2 === 0 ? proxied.server.port : proxied.replica.port;
        return sendRaw(back.href.replace(host, `localhost:${port}`), { headers: { cookie, host } });
      }),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 400, 400, 400, 400, 400, 400, 400]);
  });
});

describe('who may have a token of the third party', () => {
  it('client A was given read and client B write: the token for A is refused a write there', async () => {
    const person = createHttpPerson();
    const [a, b] = [await newClient(), await newClient()];
    const reading = await connectThrough(proxied, a, { person, scope: 'repos:read' });
    const writing = await connectThrough(proxied, b, { person, scope: 'repos:read repos:write' });
    const [forA, forB] = [await exchange(proxied, reading.access), await exchange(proxied, writing.access)];
    expect([forA.json?.scope, forB.json?.scope]).toEqual(['repo:read', 'repo:read repo:write']);
    const write = (answer: typeof forA) =>
      proxied.third.call({ method: 'POST', token: String(answer.json?.access_token) });
    expect(await write(forA)).toBe(403);
    expect(await write(forB)).toBe(200);
  });

  it('a grant that was narrowed, and a token with fewer scopes, get nothing that reaches further', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const wide = await connectThrough(proxied, client, { person, who, scope: 'repos:read repos:write' });
    const refreshed = await requestToken(proxied.target.server, {
      grant_type: 'refresh_token',
      client_id: client.id,
      refresh_token: wide.refresh,
      scope: 'repos:read',
    });
    const narrow = await exchange(proxied, String(refreshed.json?.access_token));
    expect(narrow.json?.error).toBe('invalid_target');
    const page = await signInAtAccount(proxied.server.issuer, person, who).catch(() =>
      person.open(`${proxied.server.issuer}/account`),
    );
    await act(person, page, { path: '/scopes', action: 'narrow', scope: ['repos:read'] });
    expect((await exchange(proxied, wide.access)).json?.error).toMatch(/invalid_(request|target)/);
  });

  it('a connection that names no scope gives its token to nobody', async () => {
    const { person, who } = await newcomer();
    const { access } = await connectThrough(proxied, await newClient(), { person, who });
    const vault = createUpstreamConnectionStore(proxied.server.database, createEnvelope(MASTER_KEY));
    const { gid, sub } = readToken(access).claims;
    const account = { userId: String(sub), upstream: 'elsewhere', subject: 'id-of-alice', scopes: [] };
    const tokens = { accessToken: 'reaches anywhere', refreshToken: undefined, accessExpiresAt: undefined };
    const nameless = { account, label: undefined, tokens, grantId: String(gid), now: proxied.server.now() };
    expect(await vault.connect(nameless)).toBe(true);
    expect((await exchange(proxied, access)).json).toMatchObject({ error: 'invalid_target' });
  });

  it('a client whose scopes need nothing there gets nothing, though its user is connected', async () => {
    const person = createHttpPerson();
    const client = await newClient();
    const { access } = await connectThrough(proxied, client, { person, scope: 'plain:read' });
    expect((await exchange(proxied, access)).json).toMatchObject({ error: 'invalid_target' });
  });

  it('machines, personal access tokens, revoked tokens, other audiences, other upstreams and other strings are refused', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { access, refresh } = await connectThrough(proxied, client, { person, who });
    const upstream = String((await exchange(proxied, access)).json?.access_token);
    const personal = await makeToken(await newHolder(proxied.server), { scope: ['repos:read'] });
    const strings = ['', 'x', refresh, upstream, personal, await machineToken(), `${access}x`];
    for (const token of strings) {
      expect((await exchange(proxied, token)).json?.error).toBe('invalid_request');
    }
    expect((await exchange(proxied, access, { audience: 'another' })).json?.error).toBe('invalid_target');
    expect((await exchange(proxied, access, { audience: undefined })).json?.error).toBe('invalid_target');
    const wrongType = { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' };
    expect((await exchange(proxied, access, wrongType)).json?.error).toBe('invalid_request');
    expect((await exchange(proxied, access, { requested_token_type: wrongType.subject_token_type })).json?.error).toBe(
      'invalid_request',
    );
    await requestToken(
      { ...proxied.target.server, token_endpoint: `${proxied.server.issuer}/revoke` },
      {
        client_id: client.id,
        token: refresh,
      },
    );
    expect((await exchange(proxied, access)).json?.error).toBe('invalid_request');
  });

  /** A token that a machine got in its own name, for the same resource and scope. */
  async function machineToken(): Promise<string> {
    const [id, secret] = ['a-machine', 'the secret of a machine, long enough'];
    await createClientStore(proxied.server.database).register({
      registration: 'manual',
      metadata: {
        client_id: id,
        client_name: 'Robot',
        token_endpoint_auth_method: 'client_secret_post',
        redirect_uris: [],
        grant_types: ['client_credentials'],
        response_types: [],
      },
      permissions: {
        firstParty: false,
        allowedScopes: ['repos:read'],
        allowedResources: [proxied.target.mcpUrl],
      },
      secret,
      now: new Date(),
    });
    const params = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
    const answer = await requestToken(proxied.target.server, { ...params, resource: proxied.target.mcpUrl });
    if (typeof answer.json?.access_token !== 'string') throw new Error(`no token: ${answer.text}`);
    return answer.json.access_token;
  }

  it('only the server of the resource may ask: not the client itself, not with a wrong secret', async () => {
    const person = createHttpPerson();
    const client = await registerClient(proxied.target, { token_endpoint_auth_method: 'client_secret_post' });
    const { step, verifier } = await openConsent(proxied, client, { person });
    const there = await approve(person, step);
    const left = isAtThirdParty(proxied, there) ? await person.open(await answerThere(person, there)) : there;
    const redeemed = await requestToken(proxied.target.server, {
      grant_type: 'authorization_code',
      client_id: client.id,
      client_secret: client.secret,
      code: left.url.searchParams.get('code') ?? '',
      code_verifier: verifier,
      redirect_uri: client.redirectUri,
    });
    const access = String(redeemed.json?.access_token);
    const asClient = { client_id: client.id, client_secret: client.secret };
    expect((await exchange(proxied, access, asClient)).json?.access_token).toBeUndefined();
    expect((await exchange(proxied, access, { client_secret: 'wrong' })).json?.error).toBe('invalid_client');
    expect((await exchange(proxied, access)).status).toBe(200);
  });
});

describe('what is kept', () => {
  it('another account at the third party is taken only after a page that says so', async () => {
    const { person, who } = await newcomer();
    await connectThrough(proxied, await newClient(), { person, who, account: 'alice' });
    // Another set of scopes, so that what is connected does not do; there, somebody else is signed in by now.
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who, scope: 'repos:read repos:write' });
    const there = await approve(person, step, 'repos:read repos:write');
    const other = createHttpPerson();
    const signedIn = await other.open(there.url);
    const back = await other.submit(signedIn, { account: 'mallory', decision: 'allow' });
    const before = await stored();
    const page = await person.open(back.url);
    expect(words(page)).toMatch(/Another account at Third Party.*mallory.*alice/);
    expect(await stored()).toEqual(before);
    const left = await person.submit(page, { action: 'deny' });
    expect(left.url.searchParams.get('error')).toBe('access_denied');
    expect(await stored()).toEqual(before);
    expect((await proxied.third.requests()).at(-1)?.url).toContain('/revoke');
  });

  it('a row that is copied to another user or another upstream does not open', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { access } = await connectThrough(proxied, client, { person, who });
    const { prisma } = proxied.server.database;
    const { client_id, gid, sub } = readToken(access).claims;
    const agreement = await prisma.upstreamAgreement.findUniqueOrThrow({ where: { grantId: String(gid) } });
    const row = await prisma.upstreamConnection.findUniqueOrThrow({ where: { id: agreement.connectionId ?? '' } });
    expect([client_id, sub]).toEqual([client.id, row.userId]);
    const vault = createUpstreamConnectionStore(proxied.server.database, createEnvelope(MASTER_KEY));
    expect((await vault.tokens(row.id))?.accessToken).toMatch(/^third-party-access-/);
    for (const change of [
      { userId: 'another' },
      { upstream: 'another' },
      { subject: 'another' },
      { scopes: 'repo:write' },
    ]) {
      const copied = { ...row, ...change, id: `copy-${Object.values(change)}` };
      await prisma.upstreamConnection.create({ data: copied });
      await expect(vault.tokens(copied.id)).rejects.toThrow();
      await prisma.upstreamConnection.delete({ where: { id: copied.id } });
    }
  });

  it('50 exchanges at once over two replicas, with a token that is over: one refresh there', async () => {
    const { person, who } = await newcomer();
    const { access } = await connectThrough(proxied, await newClient(), { person, who });
    for (let round = 0; round < rounds(3); round++) {
      await endTokens();
      const before = await proxied.third.refreshes();
      const { host } = new URL(proxied.server.issuer);
      const replica = { ...proxied.target.server, token_endpoint: `http://localhost:${proxied.replica.port}/token` };
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          index % 2 === 0
            ? exchange(proxied, access)
            : exchange({ target: { ...proxied.target, server: replica } }, access, {}, { headers: { host } }),
        ),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(answers.map(({ json }) => json?.access_token)).size).toBe(1);
      expect((await proxied.third.refreshes()) - before).toBe(1);
    }
  });

  it.each([
    ['invalid_grant', 400],
    ['bad_refresh_token', 200],
    ['unauthorized_client', 403],
  ])(
    'a refresh token that is over (%s, status %i) is known as over, and the next app is sent there anew',
    async (error, status) => {
      const { person, who } = await newcomer();
      const { access } = await connectThrough(proxied, await newClient(), { person, who });
      await endTokens();
      await proxied.third.misbehave({ refresh: { status, error } });
      for (let time = 0; time < 2; time++) expect((await exchange(proxied, access)).json?.error).toBe('invalid_target');
      await proxied.third.misbehave({});
      await isSentThereAgain({ person, who });
    },
  );

  it('a token without a refresh token that has run out is known as over, and the next app is sent there anew', async () => {
    const { person, who } = await newcomer();
    await proxied.third.misbehave({ noRefreshTokens: true });
    const { access } = await connectThrough(proxied, await newClient(), { person, who });
    await endTokens();
    expect((await exchange(proxied, access)).json?.error).toBe('invalid_target');
    await isSentThereAgain({ person, who });
  });

  it('what nobody has asked for since it ended is not given to the next app either', async () => {
    const { person, who } = await newcomer();
    await proxied.third.misbehave({ noRefreshTokens: true });
    await connectThrough(proxied, await newClient(), { person, who });
    await endTokens();
    await isSentThereAgain({ person, who });
  });

  /** With a good connection of the same scopes, nobody would be. */
  async function isSentThereAgain({ person, who }: Awaited<ReturnType<typeof newcomer>>): Promise<void> {
    const client = await newClient();
    const { step } = await openConsent(proxied, client, { person, who });
    expect(isAtThirdParty(proxied, await approve(person, step))).toBe(true);
  }

  it('a user who disconnects it ends the apps that use it, and it is revoked there', async () => {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { access } = await connectThrough(proxied, client, { person, who });
    const token = String((await exchange(proxied, access)).json?.access_token);
    const other = await connectedToEnd();
    await other.end();
    const page = await person.open(`${proxied.server.issuer}/account`);
    expect(words(page)).toMatch(/Third Party: alice.*Read your repositories there/);
    expect(page.answer.text).not.toContain('third-party-');
    const upstreamForm = ({ action }: { action: URL }) => /\/upstreams\/.+\/disconnect$/.test(action.pathname);
    const after = await person.submit(page, { action: 'disconnect' }, upstreamForm);
    expect(words(after)).toContain('Disconnected, there and here');
    expect(words(after)).not.toContain('Third Party: alice');
    expect((await exchange(proxied, access)).json?.error).toBe('invalid_request');
    expect(await proxied.third.call({ method: 'GET', token })).toBe(401);
    // Nobody's page waits for what others have ended: that is done in the background.
    expect(await proxied.third.call({ method: 'GET', token: other.token })).toBe(200);
  });

  it('nobody can disconnect what is somebody else’s', async () => {
    const [one, two] = [await newcomer(), await newcomer()];
    await connectThrough(proxied, await newClient(), one);
    await connectThrough(proxied, await newClient(), two);
    const theirs = await one.person.open(`${proxied.server.issuer}/account`);
    const form =
      theirs.kind === 'page' ? theirs.forms.find(({ action }) => action.pathname.includes('/upstreams/')) : undefined;
    const answer = await sendRaw(form?.action ?? '', {
      body: new URLSearchParams(form?.defaults ?? []),
      headers: {
        origin: proxied.server.issuer,
        cookie: two.person.cookies.header(new URL(`${proxied.server.issuer}/account`)) ?? '',
      },
    });
    expect(answer.status).toBe(404);
    expect(words(await one.person.open(`${proxied.server.issuer}/account`))).toContain('Third Party: alice');
  });

  it('when the last grant that uses it ends, it is revoked there; while another uses it, it is not', async () => {
    const { person, who } = await newcomer();
    const [first, second] = [await newClient(), await newClient()];
    const a = await connectThrough(proxied, first, { person, who });
    const b = await connectThrough(proxied, second, { person, who });
    const token = String((await exchange(proxied, b.access)).json?.access_token);
    await endGrant(first, a.refresh);
    await proxied.server.endUnusedConnections();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
    await endGrant(second, b.refresh);
    await proxied.server.endUnusedConnections();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(401);
  });

  it.each([503, 429, 401])('a revocation that is answered with %i is not lost: it is tried again', async (status) => {
    const { token, end } = await connectedToEnd();
    await proxied.third.misbehave({ revocation: status });
    await end();
    await proxied.server.endUnusedConnections();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
    await proxied.third.misbehave({});
    await proxied.server.endUnusedConnections();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
    proxied.server.pass(61);
    await proxied.server.endUnusedConnections();
    proxied.server.pass(-61);
    expect(await proxied.third.call({ method: 'GET', token })).toBe(401);
  });

  it('a revocation that is refused for seven days is given up, and the trail says that it failed', async () => {
    const { who, end } = await connectedToEnd();
    const { prisma } = proxied.server.database;
    const left = () => prisma.upstreamRevocation.count({ where: { userId: who.userId } });
    await proxied.third.misbehave({ revocation: 401 });
    await end();
    await proxied.server.endUnusedConnections();
    expect(await left()).toBe(1);
    await prisma.upstreamRevocation.updateMany({
      where: { userId: who.userId },
      data: { since: new Date(Date.now() - 7 * 24 * 3_600_000), dueAt: new Date(0) },
    });
    await proxied.server.endUnusedConnections();
    expect(await left()).toBe(0);
    const event = { type: 'upstream.revoked', subject: who.userId };
    expect(await prisma.auditEvent.findMany({ where: event })).toMatchObject([{ outcome: 'error' }]);
  });

  /** A token there, and how the only grant that uses it ends. */
  async function connectedToEnd() {
    const { person, who } = await newcomer();
    const client = await newClient();
    const { access, refresh } = await connectThrough(proxied, client, { person, who });
    const end = () => endGrant(client, refresh);
    return { who, token: String((await exchange(proxied, access)).json?.access_token), end };
  }
});

async function endTokens(): Promise<void> {
  await proxied.server.database.prisma.upstreamConnection.updateMany({ data: { accessExpiresAt: new Date(0) } });
}

/** Ends the grant that a client got; nothing goes to the third party yet. */
function endGrant(client: TestClient, refresh: string) {
  const revocation = { ...proxied.target.server, token_endpoint: `${proxied.server.issuer}/revoke` };
  return requestToken(revocation, { client_id: client.id, token: refresh });
}

/** Does what is due in the background, so many seconds from now. */
async function endLeftovers(inSeconds = 0): Promise<void> {
  proxied.server.pass(inSeconds);
  await proxied.server.endUnusedConnections();
  proxied.server.pass(-inSeconds);
}

/** What the third party was asked to revoke. */
async function revocations(): Promise<string[]> {
  return (await proxied.third.requests()).filter(({ url }) => url.endsWith('/revoke')).map(({ body }) => body);
}

describe('what was received and is not kept', () => {
  /** Connects, lets the connection end here, and leaves a token of it that is good there. */
  async function connectedAndOver(account: string) {
    const { person, who } = await newcomer();
    const { access } = await connectThrough(proxied, await newClient(), { person, who, account });
    const token = String((await exchange(proxied, access)).json?.access_token);
    await endTokens();
    await proxied.third.misbehave({ refresh: { status: 400, error: 'invalid_grant' } });
    expect((await exchange(proxied, access)).json?.error).toBe('invalid_target');
    await proxied.third.misbehave({});
    return { person, who, account, token };
  }

  /** Goes as far as the page that asks whether another account is meant. */
  async function askedAboutAccount(account: string) {
    const { person, who } = await newcomer();
    await connectThrough(proxied, await newClient(), { person, who, account: 'alice' });
    const { step } = await openConsent(proxied, await newClient(), { person, who, scope: 'repos:read repos:write' });
    const there = await approve(person, step, 'repos:read repos:write');
    const other = createHttpPerson();
    const back = await other.submit(await other.open(there.url), { account, decision: 'allow' });
    const page = await person.open(back.url);
    expect(words(page)).toContain('Another account at Third Party');
    return { person, page };
  }

  it('the tokens that a new connection replaces are revoked there', async () => {
    const { token, ...connect } = await connectedAndOver('dora');
    const { access } = await connectThrough(proxied, await newClient(), connect);
    const current = String((await exchange(proxied, access)).json?.access_token);
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
    await endLeftovers();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(401);
    expect(await proxied.third.call({ method: 'GET', token: current })).toBe(200);
  });

  it('tokens that come again at a second authorization are in use, and not revoked', async () => {
    const { token, ...connect } = await connectedAndOver('edna');
    await proxied.third.misbehave({ sameTokens: true });
    const client = await newClient();
    const { refresh } = await connectThrough(proxied, client, connect);
    await endLeftovers();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
    // They come back while they wait to be revoked, too.
    await proxied.third.misbehave({ sameTokens: true, revocation: 503 });
    await endGrant(client, refresh);
    await endLeftovers();
    const { access } = await connectThrough(proxied, await newClient(), connect);
    await proxied.third.misbehave({});
    await endLeftovers(61);
    expect(String((await exchange(proxied, access)).json?.access_token)).toBe(token);
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
  });

  it('an account that nobody has said yes or no to is given back when the time for it is over, by whichever replica', async () => {
    const { person, page } = await askedAboutAccount('fay');
    const before = (await revocations()).length;
    await endLeftovers(599);
    expect(await revocations()).toHaveLength(before);
    proxied.replica.pass(601);
    await proxied.replica.endUnusedConnections();
    proxied.replica.pass(-601);
    expect((await revocations()).slice(before)).toEqual([
      expect.stringContaining('third-party-refresh-'),
      expect.stringContaining('third-party-access-'),
    ]);
    expect((await person.submit(page, { action: 'use' })).answer.status).toBe(400);
  });

  it('an account that its user took is not given back', async () => {
    const { person, page } = await askedAboutAccount('gwen');
    const before = (await revocations()).length;
    expect((await person.submit(page, { action: 'use' })).url.searchParams.get('code')).toEqual(expect.any(String));
    await endLeftovers(601);
    expect(await revocations()).toHaveLength(before);
  });

  it('a refresh that brings more than was agreed to is given back', async () => {
    const { person, who } = await newcomer();
    const { access } = await connectThrough(proxied, await newClient(), { person, who, account: 'hilda' });
    await endTokens();
    await proxied.third.misbehave({ scope: 'repo:read repo:write' });
    expect((await exchange(proxied, access)).json?.error).toBe('invalid_target');
    const before = (await revocations()).length;
    await endLeftovers();
    expect((await revocations()).slice(before)).toEqual([
      expect.stringContaining('third-party-refresh-'),
      expect.stringContaining('third-party-access-'),
    ]);
  });
});

describe('where revoking one token ends all of an account', () => {
  /** A grant of a new app, the newest token of its account there, and how the grant ends. */
  async function connectedTogether(o: { person: HttpPerson; who: typeof OWNER & { userId: string }; scope?: string }) {
    const client = await newClient();
    const { together: target, third } = proxied;
    const { access, refresh } = await connectThrough({ target, third }, client, { ...o, account: 'carol' });
    const vault = createUpstreamConnectionStore(proxied.server.database, createEnvelope(MASTER_KEY));
    const found = await vault.agreement(String(readToken(access).claims.gid));
    const { accessToken: token = '' } = (await vault.tokens(found?.connection?.id ?? '')) ?? {};
    return { token, end: () => endGrant(client, refresh) };
  }

  it('only the last connection of an account is revoked, whoever has the others', async () => {
    const [one, two] = [await newcomer(), await newcomer()];
    const reading = await connectedTogether(one);
    const writing = await connectedTogether({ ...one, scope: 'repos:read repos:write' });
    const theirs = await connectedTogether(two);
    await proxied.third.misbehave({ revokesAll: true });
    await reading.end();
    await endLeftovers();
    expect(await proxied.third.call({ method: 'GET', token: writing.token })).toBe(200);
    const page = await one.person.open(`${proxied.server.issuer}/account`);
    const upstreamForm = ({ action }: { action: URL }) => /\/upstreams\/.+\/disconnect$/.test(action.pathname);
    const after = await one.person.submit(page, { action: 'disconnect' }, upstreamForm);
    expect(words(after)).toContain('What was given there may last longer');
    expect(await proxied.third.call({ method: 'GET', token: theirs.token })).toBe(200);
    await theirs.end();
    await endLeftovers();
    for (const { token } of [reading, writing, theirs])
      expect(await proxied.third.call({ method: 'GET', token })).toBe(401);
  });

  it('too much access is not given back while a connection of the same account would end with it', async () => {
    const { person, who } = await newcomer();
    const { token, end } = await connectedTogether({ person, who });
    await proxied.third.misbehave({ revokesAll: true, extraScope: 'repo:delete' });
    const scope = 'repos:read repos:write';
    const target = { target: proxied.together };
    const { step } = await openConsent(target, await newClient(), { person, who, scope });
    const page = await person.open(await answerThere(person, await approve(person, step, scope), { account: 'carol' }));
    expect(words(page)).toContain('more access than you had agreed to');
    await endLeftovers();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(200);
    await end();
    await endLeftovers();
    expect(await proxied.third.call({ method: 'GET', token })).toBe(401);
  });
});

describe('a server that an administrator added', () => {
  it('works with its upstream as one of the configuration does, and without once the configuration does not fit', async () => {
    const url = 'https://added.example/mcp';
    const admin = createCommandLine();
    admin.signIn(proxied.server.issuer, await adminTokens(proxied.target));
    const add = (...upstream: string[]) =>
      admin.run([
        ...['resources', 'add', url, '--name', 'Added', '--scope', 'repos:read=List your repositories'],
        ...['--auth', 'client_secret_post', ...upstream],
      ]);
    expect((await add('--upstream', 'elsewhere')).err).toContain('Give --upstream and --upstream-scope together');
    const { out } = await add('--upstream', 'elsewhere', '--upstream-scope', 'repos:read=repo:read');
    admin.remove();
    expect(out).toMatch(/upstream +elsewhere \(repos:read needs repo:read\)/);
    const [, client_id = '', client_secret = ''] = /client_id +(\S+)\nclient_secret +(\S+)\n/.exec(out) ?? [];
    const target = { ...proxied.target, mcpUrl: url };
    const { person, who } = await newcomer();
    const { step } = await openConsent({ target }, await newClient(), { person, who });
    expect(words(step)).toContain('Read your repositories there');
    const { access } = await connectThrough({ target, third: proxied.third }, await newClient(), { person, who });
    const asServer = { client_id, client_secret };
    const answer = await exchange({ target }, access, asServer);
    expect(answer.json?.scope).toBe('repo:read');
    expect(await proxied.third.call({ method: 'GET', token: String(answer.json?.access_token) })).toBe(200);
    expect((await exchange({ target }, access)).json?.error).toBe('invalid_request');

    const { scopes: _, ...wordless } = proxied.third.configuration;
    const changed = await proxied.replicaWith({ upstreams: { elsewhere: wordless } });
    const at = { ...target, server: { ...target.server, token_endpoint: `http://localhost:${changed.port}/token` } };
    const { host } = new URL(proxied.server.issuer);
    const refused = await exchange({ target: at }, access, asServer, { headers: { host } });
    await changed.close();
    expect(refused.json).toMatchObject({ error: 'invalid_target' });
  });
});

describe('PX-13: no token is passed through', () => {
  it('nothing a client sent reaches the third party, and nothing of the third party reaches a client', async () => {
    const { person, who } = await newcomer();
    const seen: string[] = [];
    const watching: HttpPerson = { ...person, open: watch(person.open), submit: watch(person.submit) };
    function watch<A extends unknown[]>(work: (...args: A) => Promise<Step>) {
      return async (...args: A) => {
        const step = await work(...args);
        seen.push(step.answer.text, JSON.stringify(step.answer.headers), step.url.href);
        return step;
      };
    }
    const client = await newClient();
    const connected = await connectThrough(proxied, client, { person: watching, who });
    const { access, refresh } = connected;
    const again = { grant_type: 'refresh_token', refresh_token: refresh, client_id: client.id };
    const refreshed = await requestToken(proxied.target.server, again);
    for (const { json, text, headers } of [connected.answer, refreshed]) {
      const { header, claims } = readToken(String(json?.access_token));
      seen.push(text, JSON.stringify(headers), JSON.stringify([header, claims]));
    }
    const answer = await exchange(proxied, access);
    const upstreamToken = String(answer.json?.access_token);
    await proxied.third.call({ method: 'GET', token: upstreamToken });
    const there = JSON.stringify(await proxied.third.requests());
    for (const secret of [access, refresh, client.id, MCP_CLIENT.secret]) expect(there).not.toContain(secret);
    expect(there).toContain(upstreamToken);
    const here = seen.join('\n');
    expect(here).not.toContain('third-party-access-');
    expect(here).not.toContain('third-party-refresh-');
    expect(asks(await person.open(`${proxied.server.issuer}/account`), 'disconnect')).toBe(true);
    expect(JSON.stringify(answer.json)).not.toContain('third-party-refresh-');
    // SP-4, SP-8: nor does a table hold one in clear.
    const tables = await dumpTables(proxied.server.database);
    expect(tables).toContain('UpstreamConnection {');
    expect(tables).not.toMatch(/third-party-(access|refresh)-/);
  });
});
