import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEnvelope, createUpstreamConnectionStore } from '@portcullis/persistence';
import { createHttpPerson, plainText } from '../../src/index.ts';
import { join } from './support/account.ts';
import { registerClient } from './support/authorization.ts';
import { MASTER_KEY } from './support/in-process.ts';
import {
  answerThere,
  approve,
  connectThrough,
  exchange,
  isAtThirdParty,
  openConsent,
  type Proxied,
  startProxied,
} from './support/upstream.ts';

describe.each(['openid', 'oauth'] as const)('in front of a third party (%s)', (mode) => {
  let proxied: Proxied;

  beforeAll(async () => {
    proxied = await startProxied(mode);
  });

  afterAll(() => proxied?.stop());

  it('PX-1, PX-4, PX-5, PX-6: our consent names client, upstream and its scopes, and only then the upstream is visited', async () => {
    const person = createHttpPerson();
    const client = await registerClient(proxied.target, { client_name: 'Repo reader' });
    const { step } = await openConsent(proxied, client, { person });
    const words = plainText(step.answer.text);
    for (const word of ['Repo reader', 'Third Party', 'Read your repositories there', 'repo:read', client.redirectUri])
      expect(words).toContain(word);
    const visited = async () => (await proxied.third.requests()).filter(({ url }) => url.includes('/authorize'));
    expect(await visited()).toHaveLength(0);
    expect(person.cookies.entries().some(({ name }) => name.includes('upstream'))).toBe(false);

    const there = await approve(person, step);
    expect(isAtThirdParty(proxied, there)).toBe(true);
    const asked = there.url.searchParams;
    expect(asked.get('redirect_uri')).toBe(`${proxied.server.issuer}/upstream/elsewhere/callback`);
    expect(asked.get('code_challenge_method')).toBe('S256');
    const back = await person.open(await answerThere(person, there));
    expect(back.kind).toBe('left');
    expect(back.url.searchParams.get('code')).toEqual(expect.any(String));
    expect(back.url.href.startsWith(client.redirectUri)).toBe(true);
  });

  it('the MCP server, as itself, trades the token of a user for one of the upstream that works there', async () => {
    const client = await registerClient(proxied.target, { client_name: 'Trader' });
    const { access } = await connectThrough(proxied, client, { person: createHttpPerson() });
    const answer = await exchange(proxied, access);
    expect(answer.json).toEqual({
      access_token: expect.stringMatching(/^third-party-access-/),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'repo:read',
    });
    expect(Number(answer.json?.expires_in)).toBeLessThanOrEqual(300);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(await proxied.third.call({ method: 'GET', token: String(answer.json?.access_token) })).toBe(200);
  });

  it('what its user has taken back there is not given to the next app: that one leads there anew', async () => {
    const who = await join(proxied.server, 'takes-back@example.com');
    const person = createHttpPerson();
    const connect = { person, who };
    await connectThrough(proxied, await registerClient(proxied.target, { client_name: 'First' }), connect);
    const { prisma } = proxied.server.database;
    const { id } = await prisma.upstreamConnection.findFirstOrThrow({ where: { userId: who.userId } });
    const vault = createUpstreamConnectionStore(proxied.server.database, createEnvelope(MASTER_KEY));
    const { clientId: client_id, clientSecret: client_secret, issuer } = proxied.third;
    const token = String((await vault.tokens(id))?.refreshToken);
    await fetch(`${issuer}/revoke`, { method: 'POST', body: new URLSearchParams({ token, client_id, client_secret }) });
    // Plain OAuth says who has a token, whatever its age; beside ID tokens only a refresh tells.
    await prisma.upstreamConnection.update({
      where: { id },
      data: { accessExpiresAt: mode === 'oauth' ? null : new Date(0) },
    });
    const { step } = await openConsent(proxied, await registerClient(proxied.target, { client_name: 'Next' }), connect);
    expect(isAtThirdParty(proxied, await approve(person, step))).toBe(true);
    expect((await prisma.upstreamConnection.findUniqueOrThrow({ where: { id } })).endedAt).not.toBeNull();
  });

  it('tokens of somebody whom the third party does not name are given back, as often as it takes', async () => {
    const who = await join(proxied.server, 'nameless@example.com');
    const person = createHttpPerson();
    const client = await registerClient(proxied.target, { client_name: 'Unknown' });
    const { step } = await openConsent(proxied, client, { person, who });
    await proxied.third.misbehave({ user: 503, claims: { nonce: 'of another' }, revocation: 503 });
    const page = await person.open(await answerThere(person, await approve(person, step)));
    expect(plainText(page.answer.text)).toContain('an answer that cannot be used');
    await proxied.third.misbehave({});
    const revocations = async () => (await proxied.third.requests()).filter(({ url }) => url.endsWith('/revoke'));
    const before = (await revocations()).length;
    proxied.replica.pass(61);
    await proxied.replica.endUnusedConnections();
    proxied.replica.pass(-61);
    expect((await revocations()).slice(before).map(({ body }) => body)).toEqual([
      expect.stringContaining('third-party-refresh-'),
      expect.stringContaining('third-party-access-'),
    ]);
  });
});
