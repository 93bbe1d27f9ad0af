import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Provider } from 'oidc-provider';
import { knownScopes, readRegistration as read } from '../src/provider/registration.ts';

const readRegistration = (body: Record<string, unknown>) => read(body, { fetchPorts: [] });

function accepted(body: Record<string, unknown>): Record<string, unknown> {
  const result = readRegistration(body);
  if (!result.ok) throw new Error(result.description);
  return result.metadata;
}

describe('registrations as real clients send them', () => {
  test('AS-41: Cursor registers a custom scheme, https and loopback at once, as web', () => {
    const uris = [
      'cursor://anysphere.cursor-mcp/oauth/callback',
      'https://www.cursor.com/agents/mcp/oauth/callback',
      'http://localhost:8787/callback',
    ];
    expect(
      accepted({
        client_name: 'Cursor',
        redirect_uris: uris,
        application_type: 'web',
        token_endpoint_auth_method: 'none',
      }),
    ).toMatchObject({
      redirect_uris: uris,
      application_type: 'native',
      token_endpoint_auth_method: 'none',
    });
  });

  test.each([
    ['cursor://anysphere.cursor-mcp/oauth/callback'],
    ['vscode://vscode.github-authentication/did-authenticate'],
    ['vscode-insiders://ms-vscode.app/cb'],
    ['com.example.app:/cb?next=https://app.example'],
    ['ms-app://s-1-15-2-1'],
    ['ms-appx-web://Microsoft.AAD.BrokerPlugin/1'],
    ['https-proxy-app://cb'],
  ])('AS-41: %s is a scheme that an app can own', (uri) => {
    expect(accepted({ redirect_uris: [uri] })).toMatchObject({ redirect_uris: [uri], application_type: 'native' });
  });

  test.each([
    [['http://localhost/cb', 'https://localhost:3000/cb'], ['http://localhost/cb'], 'native'],
    [
      ['https://127.0.0.1/cb', 'cursor://x/cb', 'https://app.example/cb'],
      ['cursor://x/cb', 'https://app.example/cb'],
      'native',
    ],
    [['http://127.0.0.2/cb', 'https://app.example/cb'], ['https://app.example/cb'], 'web'],
    [
      ['https://localhost:3000/cb', 'https://app.example/cb'],
      ['https://localhost:3000/cb', 'https://app.example/cb'],
      'web',
    ],
  ])('AS-37: of %j are kept %j, of a %s app', (asked, kept, type) => {
    expect(accepted({ redirect_uris: asked })).toMatchObject({ redirect_uris: kept, application_type: type });
  });

  test('what is kept of any two redirect URIs is what the engine takes', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { Client } = new Provider('https://login.example', {
      adapter: () => Object.create(null),
      jwks: { keys: [privateKey.export({ format: 'jwk' })] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      features: { devInteractions: { enabled: false } },
    });
    const uris = [
      ...[
        'localhost',
        '127.0.0.1',
        '[::1]',
        '127.0.0.2',
        'localhost.',
        'a.localhost',
        '0.0.0.0',
        'app.example',
      ].flatMap((host) => [`http://${host}/cb`, `https://${host}/cb`, `https://${host}:8443/cb`]),
      ...['cursor://x/cb', 'com.example.app:/cb', 'javascript:x', 'about:x', 'blob:x', 'x:', 'https://app.example/#'],
    ];
    for (const pair of uris.flatMap((one) => uris.map((other) => [one, other]))) {
      const read = readRegistration({ redirect_uris: pair, token_endpoint_auth_method: 'none' });
      if (read.ok) expect(() => Reflect.construct(Client, [{ client_id: 'x', ...read.metadata }])).not.toThrow();
    }
  });

  test('CL-20: a loopback redirect without application_type makes a native app', () => {
    expect(accepted({ redirect_uris: ['http://localhost:54545/callback'] }).application_type).toBe('native');
  });

  test('AS-37: an https redirect alone makes a web app', () => {
    expect(accepted({ redirect_uris: ['https://app.example/cb'], application_type: 'native' }).application_type).toBe(
      'web',
    );
  });

  test('one refused redirect URI does not cost the registration', () => {
    const metadata = accepted({
      redirect_uris: ['javascript:alert(1)', 'https://app.example/cb', 'http://evil.example/cb', 17, null],
    });
    expect(metadata.redirect_uris).toEqual(['https://app.example/cb']);
  });

  test.each([
    ['a script', 'javascript:alert(1)'],
    ['a handler of the system', 'ms-msdt:/id'],
    ['another handler of Windows', 'ms-word:ofe|u|https://evil.example/x'],
    ['what a web page may register', 'web+app://cb'],
    ['a browser that is named', 'microsoft-edge:?url=//evil.example/cb'],
    ['an address for Chrome', 'googlechromes://evil.example/cb'],
    ['an address for Safari', 'x-safari-https://evil.example/cb'],
    ['an address for Opera', 'opera-http://evil.example/cb'],
    ['an address for Firefox', 'firefox-focus://open-url?url=https://evil.example/cb'],
    ['an address in a scheme nobody knows', 'my-browser:https://evil.example/cb'],
    ['the same behind slashes', 'my-browser://HTTPS%3A//evil.example/cb'],
    ['plain http on an address of loopback whose port may not vary', 'http://127.0.0.2/cb'],
    ['an installer', 'ms-appinstaller:?source=https://evil.example/x'],
    ['a search of the system', 'search-ms:query=x'],
    ['data', 'data:text/html,x'],
    ['a file', 'file:///etc/passwd'],
    ['plain http on another host', 'http://evil.example/cb'],
    ['a host that only begins with localhost', 'http://localhost.evil.example/cb'],
    ['a user name', 'https://app.example@evil.example/cb'],
    ['a fragment', 'https://app.example/cb#x'],
    ['a wildcard host', 'https://*.example/cb'],
    ['white space', 'https://app.example/ cb'],
    ['a relative reference', '/cb'],
  ])('AS-40: refuses a redirect URI that is %s', (_what, uri) => {
    expect(readRegistration({ redirect_uris: [uri] })).toMatchObject({ ok: false, error: 'invalid_redirect_uri' });
  });

  test.each([[undefined], [[]], ['https://app.example/cb'], [Array(33).fill('https://app.example/cb')]])(
    'refuses redirect_uris %j',
    (redirectUris) => {
      expect(readRegistration({ redirect_uris: redirectUris })).toMatchObject({
        ok: false,
        error: 'invalid_redirect_uri',
      });
    },
  );

  test('unknown grant types, empty members and foreign members are left out', () => {
    const metadata = accepted({
      redirect_uris: ['https://app.example/cb'],
      client_uri: '',
      tos_uri: null,
      logo_uri: 'javascript:alert(1)',
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: ['code', 'token'],
      software_statement: 'x',
      resource: 'https://rs.example',
      client_secret: 'mine',
    });
    expect(metadata).toEqual({
      redirect_uris: ['https://app.example/cb'],
      application_type: 'web',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    });
  });

  test('AS-21: a client that registers the code grant alone gets no refresh tokens', () => {
    expect(
      accepted({ redirect_uris: ['https://app.example/cb'], grant_types: ['authorization_code'] }).grant_types,
    ).toEqual(['authorization_code']);
  });

  const signing = { redirect_uris: ['https://app.example/cb'], token_endpoint_auth_method: 'private_key_jwt' };

  test('keys may stand at a URL, which is all that is kept of them', () => {
    const uri = 'https://app.example/keys.json';
    expect(accepted({ ...signing, jwks_uri: uri, jwks: null })).toMatchObject({ jwks_uri: uri });
    expect(read({ ...signing, jwks_uri: 'https://app.example:8443/k' }, { fetchPorts: [8443] }).ok).toBe(true);
    expect(accepted({ ...signing, token_endpoint_auth_method: 'none', jwks_uri: uri })).not.toHaveProperty('jwks_uri');
  });

  test.each([
    'https://169.254.169.254/keys',
    'https://0x7f000001/keys',
    'https://[::1]/keys',
    'http://app.example/keys',
    'https://user@app.example/keys',
    'https://app.example:8443/keys',
    'file:///etc/passwd',
    `https://app.example/${'k'.repeat(2048)}`,
    ['https://app.example/keys'],
    7,
  ])('AS-30: keys at %j are refused, because nothing is ever fetched from there', (uri) => {
    const refusal = readRegistration({ ...signing, jwks_uri: uri });
    expect(refusal).toMatchObject({ ok: false, error: 'invalid_client_metadata' });
    expect(refusal).toMatchObject({ description: expect.stringContaining('jwks_uri') });
  });

  test('keys in both places are refused (RFC 7591 section 2)', () => {
    const refusal = readRegistration({ ...signing, jwks: { keys: [] }, jwks_uri: 'https://app.example/keys' });
    expect(refusal).toMatchObject({ ok: false, description: 'send jwks or jwks_uri, not both' });
  });

  test('CL-23: the registered scope is a hint of which the known part is answered', () => {
    const known = new Set(['desk:read', 'desk:write']);
    expect(knownScopes('openid desk:read unknown', known)).toBe('desk:read');
    expect(knownScopes('', known)).toBeUndefined();
    expect(knownScopes(['desk:read'], known)).toBeUndefined();
  });
});
