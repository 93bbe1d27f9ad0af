import { describe, expect, test } from '@jest/globals';
import { resetAdvice } from '../src/provider/client-reset.ts';
import { explainStanding } from '../src/provider/client-standing.ts';
import { bearerToken } from '../src/registration/admission.ts';
import { readClientKeys } from '../src/registration/client-keys.ts';
import { allowsRedirect, registrationSchema } from '../src/registration/policy.ts';
import { reuseKeyOf } from '../src/registration/reuse-key.ts';

describe('the registration policy', () => {
  test('is open, with quotas, where nothing is configured', () => {
    expect(registrationSchema.parse({})).toEqual({
      policy: 'open',
      redirectHosts: { deny: [] },
      quota: { perNetworkPerHour: 600, overallPerHour: 3000 },
      softwareStatements: { required: false, issuers: {} },
    });
  });

  test.each([
    ['another policy', { policy: 'closed' }],
    ['a URL for a host', { redirectHosts: { allow: ['https://app.example'] } }],
    ['a star in the middle', { redirectHosts: { deny: ['app.*.example'] } }],
    ['no room', { quota: { perNetworkPerHour: 0 } }],
    ['statements that nobody can make', { softwareStatements: { required: true } }],
    ['a private key', { softwareStatements: { issuers: { i: { keys: [{ kty: 'EC', d: 'x' }] } } } }],
    ['a shared secret', { softwareStatements: { issuers: { i: { keys: [{ kty: 'oct', k: 'x' }] } } } }],
    ['a word that it does not know', { policies: 'open' }],
  ])('refuses %s', (_what, configured) => {
    expect(registrationSchema.safeParse(configured).success).toBe(false);
  });

  test.each([
    ['https://app.example/cb', true],
    ['https://app.example:8443/cb', true],
    ['https://a.b.app.example/cb', false],
    ['https://x.wild.example/cb', true],
    ['https://wild.example/cb', false],
    ['https://notwild.example/cb', false],
    ['https://bad.wild.example/cb', false],
    ['https://bad.wild.example./cb', false],
    ['http://[::1]:3/cb', true],
    ['http://localhost/cb', false],
    ['cursor://x/cb', true],
    ['cursors://x/cb', false],
    ['javascript:x', false],
  ])('says of %s that it is allowed: %s', (uri, allowed) => {
    const hosts = { allow: ['app.example', '*.wild.example', '[::1]', 'cursor:'], deny: ['bad.wild.example'] };
    expect(registrationSchema.safeParse({ redirectHosts: hosts }).success).toBe(true);
    expect(allowsRedirect(hosts, uri)).toBe(allowed);
  });
});

describe('a registration that is made again', () => {
  const metadata = {
    client_id: 'a',
    client_id_issued_at: 1,
    client_name: 'Claude Code',
    redirect_uris: ['http://localhost:54545/callback?x=:1', 'https://app.example:8443/cb'],
    token_endpoint_auth_method: 'none',
  } as const;

  test('is the same in another order, at another time, with another loopback port', () => {
    const again = {
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://app.example:8443/cb', 'http://localhost/callback?x=:1'],
      client_name: 'Claude Code',
      client_id_issued_at: 2,
      client_id: 'b',
    } as const;
    expect(reuseKeyOf({ ...again, redirect_uris: [...again.redirect_uris] })).toBe(
      reuseKeyOf({ ...metadata, redirect_uris: [...metadata.redirect_uris] }),
    );
  });

  test.each([
    { redirect_uris: ['http://localhost:54545/callback?x=:1', 'https://app.example:8444/cb'] },
    { redirect_uris: ['http://localhost:54545/callback?x=:2', 'https://app.example:8443/cb'] },
    { redirect_uris: ['http://127.0.0.1:54545/callback?x=:1', 'https://app.example:8443/cb'] },
    { client_name: 'Claude code' },
    { client_uri: 'https://app.example' },
  ])('is another one with %j', (change) => {
    expect(reuseKeyOf({ ...metadata, redirect_uris: [...metadata.redirect_uris], ...change })).not.toBe(
      reuseKeyOf({ ...metadata, redirect_uris: [...metadata.redirect_uris] }),
    );
  });

  test('shares nothing when it has credentials', () => {
    expect(
      reuseKeyOf({ ...metadata, redirect_uris: [], token_endpoint_auth_method: 'client_secret_post' }),
    ).toBeUndefined();
    expect(
      reuseKeyOf({ ...metadata, redirect_uris: [], token_endpoint_auth_method: 'private_key_jwt' }),
    ).toBeUndefined();
  });
});

describe('keys of a client', () => {
  const none = { fetchPorts: [] };
  const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };

  test('keep their public members and nothing else', () => {
    expect(readClientKeys({ jwks: { keys: [{ ...key, kid: '1', x5c: ['junk'], extra: { a: 1 } }] } }, none)).toEqual({
      ok: true,
      members: { jwks: { keys: [{ ...key, kid: '1' }] } },
    });
  });

  test.each([
    ['nothing', undefined],
    ['no list', { keys: key }],
    ['an empty list', { keys: [] }],
    ['too many', { keys: Array(11).fill(key) }],
    ['a private key', { keys: [{ ...key, d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' }] }],
    ['a shared secret', { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }],
    ['no key', { keys: [null] }],
    ['a key that is none', { keys: [{ ...key, x: 'AAAA' }] }],
    ['a hidden character', { keys: [{ ...key, kid: '\0' }] }],
  ])('are refused for %s', (_what, jwks) => {
    const result = readClientKeys({ jwks }, none);
    expect(result.ok).toBe(false);
    expect(result).toMatchObject({ description: expect.stringMatching(/^jwks/) });
  });
});

test('a credential is read from the header as RFC 6750 §2.1 writes it', () => {
  expect(bearerToken('Bearer pcr_a-b')).toBe('pcr_a-b');
  expect(bearerToken('bearer x==')).toBe('x==');
  for (const header of ['', 'Bearer', 'Bearer ', 'Bearer a b', 'Basic eDp5', 'pcr_a'])
    expect(bearerToken(header)).toBeUndefined();
});

describe('what the user of a removed client is told', () => {
  test.each([
    ['Claude Code (support desk)', /claude mcp remove/],
    ['Claude', /connector/],
    ['Visual Studio Code', /Remove Dynamic Authentication Providers/],
    ['GitHub Copilot CLI', /mcp-oauth-config/],
    ['Cursor', /MCP settings/],
    ['MCP CLI Proxy', /\.mcp-auth/],
    ['MCP Inspector', /OAuth state/],
    ['Codex', /codex mcp logout/],
    ['opencode', /opencode mcp logout/],
    ['ChatGPT', /disconnect/],
    ['n8n', /credential/],
  ])('in %s', (name, advice) => {
    expect(resetAdvice(name)).toEqual([expect.stringMatching(advice)]);
  });

  test('in an app that nobody knows: what helps in general', () => {
    expect(resetAdvice('Something else').length).toBeGreaterThan(5);
    expect(explainStanding({ state: 'expired', name: `x${'y'.repeat(300)}` }).explanation).not.toContain(
      'y'.repeat(61),
    );
  });
});
