import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HttpPerson, Stack } from '../../src/index.ts';
import { createHttpPerson, discover, readToken, requestToken, sendJson, sendRaw, startStack } from '../../src/index.ts';
import type { Target, TestClient } from './support/authorization.ts';
import {
  authorizationRequest,
  codeExchange,
  obtainCode,
  redeem,
  registerClient,
  shownError,
  targetOf,
  tokensOf,
} from './support/authorization.ts';
import { OWNER_ENV } from './support/owner.ts';
import { sendBytes } from './support/raw-bytes.ts';

let stack: Stack;
let target: Target;
let client: TestClient;
let person: HttpPerson;

beforeAll(async () => {
  stack = await startStack({ authorizationServer: OWNER_ENV });
  target = await targetOf(stack);
  client = await registerClient(target);
  person = createHttpPerson();
});

afterAll(() => stack?.stop());

/** Opens a spoilt authorization request and reads the error that the page would take to the client. */
async function refusedAtAuthorize(changes: Record<string, string | undefined>): Promise<URLSearchParams> {
  const { url, state } = authorizationRequest(target, client, changes);
  const step = await person.open(url);
  const shown = shownError(step.answer);
  if (!shown) throw new Error(`no error is shown: ${step.answer.text}`);
  const { searchParams } = shown;
  expect(searchParams.get('code')).toBeNull();
  expect(searchParams.get('state')).toBe(state);
  expect(searchParams.get('iss')).toBe(stack.issuer);
  return searchParams;
}

describe('the authorization request', () => {
  test('AS-9: is refused without PKCE', async () => {
    const error = await refusedAtAuthorize({ code_challenge: undefined, code_challenge_method: undefined });
    expect(error.get('error')).toBe('invalid_request');
  });

  test('AS-9: is refused with the method plain, and with none, which would mean plain', async () => {
    expect((await refusedAtAuthorize({ code_challenge_method: 'plain' })).get('error')).toBe('invalid_request');
    expect((await refusedAtAuthorize({ code_challenge_method: undefined })).get('error')).toBe('invalid_request');
  });

  test('AS-9: PKCE is demanded of confidential clients too', async () => {
    const confidential = await registerClient(target, { token_endpoint_auth_method: 'client_secret_post' });
    const { url } = authorizationRequest(target, confidential, {
      code_challenge: undefined,
      code_challenge_method: undefined,
    });
    const step = await person.open(url);
    expect(shownError(step.answer)?.searchParams.get('error')).toBe('invalid_request');
  });

  test('AS-14: is refused for a resource that nobody protects here', async () => {
    for (const resource of [
      'https://elsewhere.example/mcp',
      `${stack.mcpUrl}/other`,
      'not a url',
      `${stack.mcpUrl}#part`,
    ]) {
      expect([resource, (await refusedAtAuthorize({ resource })).get('error')]).toEqual([resource, 'invalid_target']);
    }
  });

  test('AS-1: no token leaves the authorization endpoint, and nothing leaves but in the query', async () => {
    for (const response_type of ['token', 'id_token', 'code token', 'code id_token', 'none']) {
      const answer = await sendRaw(authorizationRequest(target, client, { response_type }).url);
      expect([response_type, shownError(answer)?.href]).toEqual([response_type, expect.stringContaining('?error=')]);
    }
    for (const response_mode of ['fragment', 'form_post', 'web_message']) {
      const answer = await sendRaw(authorizationRequest(target, client, { response_mode }).url);
      expect([response_mode, shownError(answer)?.href]).toEqual([response_mode, expect.stringContaining('?error=')]);
    }
  });

  test.each([
    ['another path', 'http://localhost:9/other'],
    ['a path below', 'http://localhost:9/callback/below'],
    ['a query', 'http://localhost:9/callback?x=1'],
    ['an upper-case path', 'http://localhost:9/Callback'],
    ['a fragment', 'http://localhost:9/callback#x'],
    ['a user name', 'http://user@localhost:9/callback'],
    ['the other loopback host', 'http://127.0.0.1:9/callback'],
    ['another host', 'https://attacker.example/callback'],
    ['a host that begins alike', 'http://localhost.attacker.example/callback'],
    ['dot segments', 'http://localhost:9/x/../callback'],
  ])(
    'AS-40, AS-42, SP-17, PX-10: with %s in the redirect URI it goes nowhere, and says so on a page',
    async (_what, redirect_uri) => {
      const { url } = authorizationRequest(target, client, { redirect_uri });
      const answer = await sendRaw(url);
      expect(answer.status).toBe(400);
      expect(answer.headers.location).toBeUndefined();
      expect(answer.headers['content-type']).toContain('text/html');
      expect(answer.text).not.toContain('attacker.example');
    },
  );

  test('AS-40: the redirect URI of another client is no better', async () => {
    const other = await registerClient(target, { redirect_uris: ['https://app.example/callback'] });
    const answer = await sendRaw(authorizationRequest(target, client, { redirect_uri: other.redirectUri }).url);
    expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
  });

  test('AS-40: and it cannot be left out', async () => {
    const answer = await sendRaw(authorizationRequest(target, client, { redirect_uri: undefined }).url);
    expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
  });

  test('an unknown client gets a page and no redirect', async () => {
    const answer = await sendRaw(authorizationRequest(target, { ...client, id: 'nobody' }).url);
    expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
  });
});

describe('the token request', () => {
  test('AS-9: a wrong verifier is refused, and the right one still works', async () => {
    const code = await obtainCode(target, client, { person });
    for (const code_verifier of [undefined, 'x'.repeat(43), code.verifier.slice(1), '']) {
      const answer = await redeem(target, client, { code, changes: { code_verifier } });
      expect(answer.status).toBe(400);
      expect(answer.json?.access_token).toBeUndefined();
    }
    expect((await redeem(target, client, { code })).status).toBe(200);
  });

  test('AS-10: a code is taken once; a second use revokes what the first one gave', async () => {
    const code = await obtainCode(target, client, { person });
    const first = tokensOf(await redeem(target, client, { code }));
    const second = await redeem(target, client, { code });
    expect([second.status, second.json?.error]).toEqual([400, 'invalid_grant']);
    const refresh = await requestToken(target.server, {
      grant_type: 'refresh_token',
      refresh_token: first.refresh,
      client_id: client.id,
    });
    expect([refresh.status, refresh.json?.error]).toEqual([400, 'invalid_grant']);
  });

  test('AS-40: another redirect URI is refused', async () => {
    for (const redirect_uri of ['http://localhost:9/other', 'http://localhost:10/callback', '']) {
      const code = await obtainCode(target, client, { person });
      const answer = await redeem(target, client, { code, changes: { redirect_uri } });
      expect([redirect_uri, answer.status]).toEqual([redirect_uri, redirect_uri === '' ? 200 : 400]);
      if (redirect_uri) expect(answer.json?.access_token).toBeUndefined();
    }
  });

  test('AS-1: it may be left out, as OAuth 2.1 does (§4.1.3), by the code’s own client with the right verifier', async () => {
    const none = { redirect_uri: undefined };
    const other = await registerClient(target, { client_name: 'Another', redirect_uris: [client.redirectUri] });
    const code = await obtainCode(target, client, { person });
    for (const spoilt of [{ client_id: other.id }, { code_verifier: 'x'.repeat(43) }, { code: 'made-up' }]) {
      const refused = await redeem(target, client, { code, changes: { ...none, ...spoilt } });
      expect([refused.status, refused.json?.error]).toEqual([400, expect.stringMatching(/^invalid_(grant|request)$/)]);
      expect(refused.json?.access_token).toBeUndefined();
    }
    tokensOf(await redeem(target, client, { code, changes: none }));
    const again = await redeem(target, client, { code, changes: none });
    expect([again.status, again.json?.error]).toEqual([400, 'invalid_grant']);
    // A loopback port that was not registered: what counts is where the code went.
    const onPort = { ...client, redirectUri: client.redirectUri.replace(/:\d+/, ':54321') };
    tokensOf(await redeem(target, onPort, { code: await obtainCode(target, onPort, { person }), changes: none }));
  });

  test("another client cannot redeem a stolen code, nor another client's refresh token", async () => {
    const thief = await registerClient(target, { client_name: 'Thief' });
    const code = await obtainCode(target, client, { person });
    const stolen = await redeem(target, client, { code, changes: { client_id: thief.id } });
    expect([stolen.status, stolen.json?.error]).toEqual([400, 'invalid_grant']);
    const { refresh } = tokensOf(await redeem(target, client, { code: await obtainCode(target, client, { person }) }));
    const refreshed = await requestToken(target.server, {
      grant_type: 'refresh_token',
      refresh_token: refresh,
      client_id: thief.id,
    });
    expect([refreshed.status, refreshed.json?.error]).toEqual([400, 'invalid_grant']);
  });

  test('AS-14: an unknown resource is refused before the code is used up', async () => {
    const code = await obtainCode(target, client, { person });
    const answer = await redeem(target, client, { code, changes: { resource: 'https://elsewhere.example/mcp' } });
    expect([answer.status, answer.json?.error]).toEqual([400, 'invalid_target']);
    expect((await redeem(target, client, { code })).status).toBe(200);
  });

  test('AS-17, AS-20: a token is for one resource and what was allowed there, and a refresh cannot widen the scope', async () => {
    const code = await obtainCode(target, client, { person });
    const { access, refresh } = tokensOf(await redeem(target, client, { code }));
    expect(readToken(access).claims).toMatchObject({ aud: stack.mcpUrl, scope: 'desk:read' });
    const answer = await requestToken(target.server, {
      grant_type: 'refresh_token',
      refresh_token: refresh,
      client_id: client.id,
      scope: 'desk:read desk:write',
    });
    expect([answer.status, answer.json?.error]).toEqual([400, 'invalid_scope']);
  });

  test('a grant type that nobody offers is refused', async () => {
    for (const grant_type of ['password', 'client_credentials', 'implicit', '']) {
      const answer = await requestToken(target.server, {
        grant_type,
        client_id: client.id,
        username: 'a',
        password: 'b',
      });
      expect([grant_type, answer.status]).toEqual([grant_type, 400]);
    }
  });

  test('a parameter that comes twice is refused', async () => {
    const code = await obtainCode(target, client, { person });
    const body = new URLSearchParams(
      Object.entries(codeExchange(target, client, code)).map(([name, value]) => [name, value ?? '']),
    );
    body.append('code_verifier', 'x'.repeat(43));
    const answer = await sendJson(target.server.token_endpoint, { body });
    expect([answer.status, answer.json?.error]).toEqual([400, 'invalid_request']);
  });

  test('SP-22: a page of a foreign origin may not read the answer; AS-13: nobody may keep it', async () => {
    const code = await obtainCode(target, client, { person });
    const exchange = codeExchange(target, client, code);
    const foreign = await requestToken(target.server, exchange, { headers: { origin: 'https://attacker.example' } });
    expect(foreign.headers['access-control-allow-origin']).toBeUndefined();
    expect(foreign.headers['cache-control']).toContain('no-store');
    expect(foreign.json?.access_token).toBeUndefined();
  });
});

test('AS-8, AS-38: the metadata promises that answers name the issuer, and no id that is made here looks like a URL', async () => {
  const { text } = await sendRaw(`${stack.issuer}/.well-known/oauth-authorization-server`);
  expect(JSON.parse(text)).toMatchObject({
    issuer: stack.issuer,
    authorization_response_iss_parameter_supported: true,
  });
  expect((await registerClient(target)).id).toMatch(/^[\w-]+$/);
});

describe('the Host of a request (SP-31)', () => {
  const wellKnown = '/.well-known/oauth-authorization-server';
  /** The authorization server, past a proxy in front. */
  const itself = () => `http://localhost:${stack.port}`;
  const isBehindProxy = () => stack.issuer !== itself();

  /** A proxy in front knows no such site, and says nothing for it. */
  async function expectNothingInFront(url: string) {
    if (!isBehindProxy()) return;
    const answer = await sendRaw(url, { headers: { host: 'attacker.example' } });
    expect([url, answer.text, answer.headers.location]).toEqual([url, '', undefined]);
  }

  test('AS-2: the metadata says how clients authenticate beside the token endpoint (RFC 8414 §2)', async () => {
    const { json } = await sendJson(`${stack.issuer}/.well-known/oauth-authorization-server`, {});
    const methods = [json?.token_endpoint_auth_methods_supported].flat();
    const algorithms = json?.token_endpoint_auth_signing_alg_values_supported;
    expect(algorithms).toEqual(expect.arrayContaining(['ES256']));
    expect(methods).toContain('none');
    expect(json).toMatchObject({
      revocation_endpoint_auth_methods_supported: methods,
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
      introspection_endpoint_auth_methods_supported: methods.filter((method) => method !== 'none'),
      introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    });
  });

  test('AS-3: a foreign Host is answered by nothing but a refusal', async () => {
    for (const path of [
      wellKnown,
      '/.well-known/openid-configuration',
      '/jwks',
      '/authorize',
      '/token',
      '/setup',
      '/interaction/x',
      '/',
    ]) {
      const answer = await sendRaw(`${itself()}${path}`, { headers: { host: 'attacker.example' } });
      expect([path, answer.status]).toEqual([path, 421]);
      expect(answer.text).not.toContain('attacker.example');
      await expectNothingInFront(`${stack.issuer}${path}`);
    }
  });

  test('AS-3: no forwarded header changes a URL of ours', async () => {
    const honest = await discover(stack.issuer);
    const otherScheme = isBehindProxy() ? 'http' : 'https';
    for (const headers of [
      { 'x-forwarded-host': 'attacker.example' },
      { 'x-forwarded-proto': otherScheme },
      { 'x-forwarded-host': 'attacker.example', 'x-forwarded-proto': otherScheme, 'x-forwarded-for': '203.0.113.9' },
      { 'x-forwarded-port': '66666', 'x-forwarded-prefix': '/evil' },
      { forwarded: `for=203.0.113.9;host=attacker.example;proto=${otherScheme}` },
      { 'x-original-url': '/evil', 'x-rewrite-url': '/evil' },
      { 'x-forwarded-host': ['attacker.example', 'other.example'] },
    ]) {
      for (const path of [wellKnown, '/.well-known/openid-configuration']) {
        const answer = await sendJson(`${stack.issuer}${path}`, { headers: { ...headers } });
        expect(answer.status).toBe(200);
        expect(answer.json).toMatchObject(honest);
        expect(answer.text).not.toMatch(/attacker|evil|66666/);
        expect(answer.text).not.toContain(`${otherScheme}://localhost`);
      }
      const { url } = authorizationRequest(target, client);
      const login = await sendRaw(url, { headers: { ...headers } });
      expect(new URL(login.headers.location ?? '', stack.issuer).origin).toBe(stack.issuer);
    }
  });

  test('two Host headers, none, and a foreign one in the request line get nothing', async () => {
    const { host } = new URL(stack.issuer);
    for (const head of [
      `GET ${wellKnown} HTTP/1.1\r\nHost: ${host}\r\nHost: attacker.example\r\n`,
      `GET ${wellKnown} HTTP/1.1\r\nHost: attacker.example\r\nHost: ${host}\r\n`,
      `GET ${wellKnown} HTTP/1.1\r\n`,
      `GET ${wellKnown} HTTP/1.0\r\n`,
      `GET http://attacker.example${wellKnown} HTTP/1.1\r\nHost: ${host}\r\n`,
    ]) {
      for (const door of new Set([stack.issuer, itself()])) {
        const answer = await sendBytes(door, `${head}Connection: close\r\n\r\n`);
        expect([head, answer]).toEqual([head, expect.not.stringContaining('//attacker.example')]);
      }
    }
  });

  test('RS-3: the resource metadata names our URLs whatever the request says', async () => {
    const { origin } = new URL(stack.mcpUrl);
    for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp']) {
      const there = `http://localhost:${stack.mcpPort}${path}`;
      const foreign = await sendRaw(there, { headers: { host: 'attacker.example' } });
      expect([path, foreign.status]).toEqual([path, 403]);
      expect(foreign.text).not.toContain('attacker.example');
      await expectNothingInFront(`${origin}${path}`);
      const forwarded = await sendJson(`${origin}${path}`, {
        headers: {
          'x-forwarded-host': 'attacker.example',
          'x-forwarded-proto': 'https',
          forwarded: 'host=attacker.example',
        },
      });
      expect(forwarded.json).toMatchObject({ resource: stack.mcpUrl, authorization_servers: [stack.issuer] });
      expect(forwarded.text).not.toContain('attacker');
    }
  });
});
