import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHttpPerson, plainText } from '../../src/index.ts';
import { registerClient } from './support/authorization.ts';
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
});
