import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { register, requestToken, sendJson } from '../../src/attacker.ts';
import { createHttpPerson } from '../../src/http-person.ts';
import { sendRaw } from '../../src/raw-request.ts';
import type { PreparedStack } from './support/journey.ts';
import { authorize, registered, signedIn, signIn, startPreparedStack } from './support/journey.ts';

describe('registrations as real clients send them', () => {
  let stack: PreparedStack;
  /** One browser for all of them: the password is asked for once. */
  const person = createHttpPerson();

  beforeAll(async () => {
    stack = await startPreparedStack({ authorizationServerAlone: true });
  });

  afterAll(() => stack?.stop());

  it('CL-13, CL-14, CL-23: a client that registered the scopes of the resource asks for offline_access and more, with prompt=consent', async () => {
    const { clientId, registration } = await registered(stack.server, {
      ...loopbackClient,
      client_name: 'Registers what the metadata lists',
      scope: 'desk:read',
    });
    expect(registration.scope).toBe('desk:read');

    const { scope, refreshToken } = await signIn(stack, {
      clientId,
      redirectUri: loopback,
      person,
      params: { scope: 'desk:read desk:write offline_access', prompt: 'consent' },
    });
    expect(scope).toBe('desk:read desk:write');
    expect(refreshToken).toBeDefined();
  });

  it.each([
    [
      'unknown scopes',
      { scope: 'openid email profile files:everything' },
      { params: { scope: 'openid email desk:read' } },
    ],
    ['nothing but unknown scopes', { scope: 'openid' }, { params: { scope: 'openid email' } }],
    ['no scope and no resource', {}, { params: { scope: undefined, resource: undefined } }],
    ['empty and null members', { client_uri: '', logo_uri: '', tos_uri: null, policy_uri: '', contacts: [] }, {}],
    [
      'grant types that are not ours',
      {
        grant_types: [
          'authorization_code',
          'refresh_token',
          'urn:ietf:params:oauth:grant-type:jwt-bearer',
          'urn:ietf:params:oauth:grant-type:device_code',
        ],
      },
      {},
    ],
    ['members nobody knows', { resource: 'https://elsewhere.example/mcp', 'x-vendor': { a: 1 } }, {}],
    ['a resource with a slash and capitals', {}, { params: { resource: 'SLASH' } }],
  ])(
    'registers and signs in with %s',
    async (_what, metadata, { params }: { params?: Record<string, string | undefined> }) => {
      const { clientId } = await registered(stack.server, { ...loopbackClient, ...metadata });
      const spelt = params?.resource === 'SLASH' ? { resource: `${stack.mcpUrl.replace('http', 'HTTP')}/` } : {};
      const { scope, claims } = await signIn(stack, {
        clientId,
        redirectUri: loopback,
        person,
        params: { ...params, ...spelt },
      });
      expect({ scope, aud: claims.aud }).toEqual({ scope: 'desk:read', aud: stack.mcpUrl });
    },
  );

  it.each(['client_secret_basic', 'client_secret_post'])(
    'a client with a secret signs in and refreshes with %s',
    async (method) => {
      const { clientId, registration } = await registered(stack.server, {
        client_name: 'Web app',
        redirect_uris: ['https://app.example/callback'],
        token_endpoint_auth_method: method,
      });
      const secret = String(registration.client_secret);
      const authorization = { clientId, redirectUri: 'https://app.example/callback', person };
      const callback = await authorize(stack, authorization);
      const isPost = method === 'client_secret_post';
      const credentials = isPost ? { client_id: clientId, client_secret: secret } : { client_id: undefined };
      const basic = { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` };
      const ask = (params: Record<string, string | undefined>, known = true) =>
        requestToken(
          stack.server,
          { ...params, ...(known && credentials) },
          { headers: known && !isPost ? basic : {} },
        );

      const code = {
        grant_type: 'authorization_code',
        code: callback.params.get('code') ?? '',
        redirect_uri: authorization.redirectUri,
        code_verifier: callback.verifier,
      };
      const first = signedIn(await ask(code));
      const refresh = { grant_type: 'refresh_token', refresh_token: first.refreshToken };
      expect((await ask({ ...refresh, client_id: clientId }, false)).status).toBe(401);
      expect(signedIn(await ask(refresh)).claims.gid).toBe(first.claims.gid);
    },
  );

  it('AS-38: keeps the redirect URIs that can be used, refuses a client that has none, and gives no URL for an id', async () => {
    const { clientId, registration } = await registered(stack.server, {
      ...loopbackClient,
      redirect_uris: [loopback, 'javascript:alert(1)', 'http://evil.example/callback', 'https://*.example/callback'],
    });
    expect(registration.redirect_uris).toEqual([loopback]);
    expect(clientId).not.toContain(':');
    for (const uri of [
      'javascript:alert(1)',
      'data:text/html,x',
      'http://evil.example/callback',
      'https://a.example/#x',
    ]) {
      const { status, json } = await register(stack.server, { ...loopbackClient, redirect_uris: [uri] });
      expect({ uri, status, error: json?.error }).toEqual({ uri, status: 400, error: 'invalid_redirect_uri' });
    }
  });

  it('SP-22: a browser app gets through: preflight, registration, token and metadata allow its origin', async () => {
    const origin = 'http://localhost:6274';
    const preflight = (url: string) =>
      sendRaw(url, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type, mcp-protocol-version',
        },
      });
    const asked = await preflight(stack.server.registration_endpoint);
    expect(asked.status).toBe(204);
    expect(asked.headers['access-control-allow-origin']).toBe('*');
    expect(asked.headers['access-control-allow-methods']).toContain('POST');
    expect(asked.headers['access-control-allow-headers']).toMatch(/content-type.*mcp-protocol-version/i);
    expect(asked.headers).not.toHaveProperty('access-control-allow-credentials');

    const redirectUri = `${origin}/oauth/callback`;
    const metadata = { ...loopbackClient, redirect_uris: [redirectUri] };
    const answer = await register(stack.server, metadata, { headers: { origin } });
    expect({ status: answer.status, allowed: answer.headers['access-control-allow-origin'] }).toEqual({
      status: 201,
      allowed: '*',
    });

    expect((await preflight(stack.server.token_endpoint)).status).toBeLessThan(300);
    const callback = await authorize(stack, { clientId: String(answer.json?.client_id), redirectUri, person });
    const token = await requestToken(
      stack.server,
      {
        grant_type: 'authorization_code',
        client_id: String(answer.json?.client_id),
        redirect_uri: redirectUri,
        code: callback.params.get('code') ?? '',
        code_verifier: callback.verifier,
        resource: stack.mcpUrl,
      },
      { headers: { origin } },
    );
    expect(signedIn(token).scope).toBe('desk:read');
    expect(['*', origin]).toContain(token.headers['access-control-allow-origin']);

    const document = await sendJson(`${stack.issuer}/.well-known/oauth-authorization-server`, { headers: { origin } });
    expect(['*', origin]).toContain(document.headers['access-control-allow-origin']);
  });

  it('AS-21: a client that registered the code grant alone gets no refresh token, however it asks', async () => {
    const { clientId } = await registered(stack.server, { ...loopbackClient, grant_types: ['authorization_code'] });
    const { refreshToken } = await signIn(stack, {
      clientId,
      redirectUri: loopback,
      person,
      params: { scope: 'desk:read offline_access', prompt: 'consent' },
    });
    expect(refreshToken).toBeUndefined();
  });

  it('AS-19: refresh tokens rotate and stay with their grant', async () => {
    const { clientId } = await registered(stack.server, loopbackClient);
    const first = await signIn(stack, { clientId, redirectUri: loopback, person });
    const refresh = (token: string | undefined) =>
      requestToken(stack.server, {
        grant_type: 'refresh_token',
        client_id: clientId,
        refresh_token: token,
        resource: stack.mcpUrl,
      });
    const second = signedIn(await refresh(first.refreshToken));
    const third = signedIn(await refresh(second.refreshToken));
    expect(new Set([first, second, third].map(({ refreshToken }) => refreshToken)).size).toBe(3);
    expect(new Set([first, second, third].map(({ claims }) => claims.gid)).size).toBe(1);
  });
});

const loopback = 'http://127.0.0.1:33418/callback';
const loopbackClient = {
  client_name: 'Loopback client',
  redirect_uris: [loopback],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};
