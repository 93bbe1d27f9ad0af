import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { StartupError } from '@portcullis/platform';
import { readConfig } from '../src/config.ts';
import { configurationJsonSchema } from '../src/configuration-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function problems(env: Record<string, string>): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof StartupError) return [...error.problems];
    throw error;
  }
}

function withFile(content: unknown): Record<string, string> {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return { PORTCULLIS_CONFIG: path };
}

describe('client certificates', () => {
  const name = (suffix: string) => `PORTCULLIS_CLIENT_CERTIFICATE_${suffix}`;
  const proxied = {
    PORTCULLIS_TRUST_PROXY: '1',
    [name('HEADER')]: 'client-cert',
    [name('PROXIES')]: '10.0.0.0/8, fd00::1',
  };

  test('none come in unless a proxy passes them', () => {
    expect(readConfig({}).clientCertificates).toBeUndefined();
    expect(readConfig(proxied).clientCertificates).toEqual({
      header: 'client-cert',
      proxies: ['10.0.0.0/8', 'fd00::1'],
      authorities: [],
    });
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['SP-11: a header without a proxy', { PORTCULLIS_TRUST_PROXY: '0' }, /HEADER needs a TLS proxy.*TRUST_PROXY/],
    ['a proxy of no address', { [name('PROXIES')]: '' }, /addresses of the proxy are missing/],
    ['a proxy anywhere', { [name('PROXIES')]: '0.0.0.0/0' }, /must be like 10/],
    ['a proxy by name', { [name('PROXIES')]: 'proxy.hunter2' }, /must be like 10/],
    ['a header that proxies append to', { [name('HEADER')]: 'X-Forwarded-Client-Cert' }, /another meaning/],
    ['no header name', { [name('HEADER')]: 'client cert' }, /no valid name/],
    ['addresses without a header', { [name('HEADER')]: '' }, /PROXIES is of no use without/],
    ['authorities that are not there', { [name('AUTHORITIES')]: '/hunter2' }, /AUTHORITIES must name a file/],
  ])('%s is refused', (_what, env, problem) => {
    const found = problems({ ...proxied, ...env });
    expect(found.join()).toMatch(problem);
    expect(found.join()).not.toContain('hunter2');
  });

  test('a file with something else than authorities is refused', () => {
    const path = join(folder, 'authorities.pem');
    writeFileSync(path, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(problems({ ...proxied, [name('AUTHORITIES')]: path }).join()).toMatch(/AUTHORITIES must name a file/);
  });

  test('a resource that demands certificates needs somewhere for them to come from', () => {
    const file = withFile({
      resources: {
        'https://vault.example/mcp': {
          name: 'Vault',
          scopes: { 'vault:read': { description: 'Read' } },
          defaultScopes: ['vault:read'],
          proofOfPossession: 'certificate',
        },
      },
    });
    expect(problems(file).join()).toMatch(/vault\.example.*demands certificates.*HEADER/);
    expect(problems({ ...proxied, ...file })).toEqual([]);
  });
});

describe('the environment', () => {
  test('nothing need be set', () => {
    const config = readConfig({});
    expect(config.site).toEqual({
      issuer: 'http://localhost:4000',
      origin: 'http://localhost:4000',
      host: 'localhost:4000',
      basePath: '',
      secure: false,
    });
    expect(config.resources.map(({ url }) => url)).toEqual(['http://localhost:4001/mcp']);
    expect(config.accessTokenTtlSeconds).toBe(300);
    expect(config.refreshGraceSeconds).toBe(120);
    expect(config.refreshTokens).toEqual({
      idleSeconds: 30 * 86_400,
      absoluteSeconds: 180 * 86_400,
      suspiciousReplay: 'report',
    });
    expect(config.metrics).toBeUndefined();
  });

  test('all problems are listed at once, and no value is printed', () => {
    const found = problems({
      PORTCULLIS_PORT: '70000x',
      PORTCULLIS_ACCESS_TOKEN_TTL: '3601',
      DATABASE_URL: 'mysql://u:hunter2@h/d',
      PORTCULLIS_ADMIN_EMAIL: 'a@b.example',
      LOG_LEVEL: 'loud',
    });
    expect(found).toHaveLength(5);
    expect(found.join()).not.toMatch(/hunter2|70000x|loud|a@b/);
  });

  test.each([
    ['AS-6, SP-6: plain http on a public host', { PORTCULLIS_ISSUER: 'http://login.example.com' }, /https/],
    ['a trailing slash', { PORTCULLIS_ISSUER: 'http://localhost:4000/' }, /canonical/],
    ['upper case', { PORTCULLIS_ISSUER: 'http://LOCALHOST:4000' }, /canonical/],
    ['a query', { PORTCULLIS_ISSUER: 'http://localhost:4000?x=1' }, /query/],
    ['no URL', { PORTCULLIS_ISSUER: 'localhost' }, /URL/],
    ['a grace of more than ten minutes', { PORTCULLIS_REFRESH_GRACE: '601' }, /PORTCULLIS_REFRESH_GRACE.*600/],
    ['AS-16, SP-2: tokens that live too long', { PORTCULLIS_ACCESS_TOKEN_TTL: '3601' }, /3600/],
    [
      'a master key beside the data of a public issuer',
      { PORTCULLIS_ISSUER: 'https://login.example.com', PORTCULLIS_MCP_URL: 'https://mcp.example.com' },
      /MASTER_KEY/,
    ],
  ])('refuses %s', (_what, env, message) => {
    expect(problems(env).join('\n')).toMatch(message);
  });

  test('metrics are listened for on loopback, unless another address is named', () => {
    expect(readConfig({ PORTCULLIS_METRICS_PORT: '9464' }).metrics).toEqual({ host: '127.0.0.1', port: 9464 });
    expect(readConfig({ PORTCULLIS_METRICS_PORT: '9464', PORTCULLIS_METRICS_HOST: '::' }).metrics?.host).toBe('::');
  });

  test('the grace may be switched off', () => {
    expect(readConfig({ PORTCULLIS_REFRESH_GRACE: '0' }).refreshGraceSeconds).toBe(0);
  });

  test('an issuer may have a path', () => {
    expect(readConfig({ PORTCULLIS_ISSUER: 'http://localhost:4000/tenant' }).site.basePath).toBe('/tenant');
  });

  test('a secret may come from a file, but not from two places', () => {
    const path = join(folder, 'key');
    writeFileSync(path, 'k\n');
    expect(readConfig({ PORTCULLIS_MASTER_KEY_FILE: path }).masterKey?.reveal()).toBe('k');
    expect(problems({ PORTCULLIS_MASTER_KEY_FILE: path, PORTCULLIS_MASTER_KEY: 'x' })).toHaveLength(1);
  });
});

describe('the configuration file', () => {
  const resource = {
    name: 'Wiki',
    scopes: { 'wiki:read': { description: 'Read pages' } },
    defaultScopes: ['wiki:read'],
  };

  test('adds resources and roles', () => {
    const config = readConfig(
      withFile({ resources: { 'https://wiki.example/mcp': resource }, roles: { writer: ['wiki:read'] } }),
    );
    expect(config.resources.map(({ url }) => url)).toEqual(['http://localhost:4001/mcp', 'https://wiki.example/mcp']);
    expect(config.roles).toMatchObject({ writer: ['wiki:read'], lead: expect.any(Array) });
  });

  test('says at a resource which role may grant what there', () => {
    const roles = { agent: ['wiki:read'] };
    const config = readConfig(withFile({ resources: { 'https://wiki.example/mcp': { ...resource, roles } } }));
    expect(config.resources[1]).toMatchObject({ roles });
    expect(config.roles.agent).not.toContain('wiki:read');
  });

  test.each([
    ['no JSON', '{', /JSON/],
    ['an unknown key', { resurces: {} }, /resurces/],
    [
      'SP-7: an omnibus scope',
      {
        resources: {
          'https://w.example': { ...resource, scopes: { '*': { description: 'x' } }, defaultScopes: ['*'] },
        },
      },
      /SP-7/,
    ],
    ['SP-7: a role of everything', { roles: { king: ['full-access'] } }, /roles/],
    ['SP-20: a resource that is no absolute URL', { resources: { api: resource } }, /absolute URL/],
    ['SP-20: a resource without https', { resources: { 'http://wiki.example/mcp': resource } }, /must use https/],
    ['SP-20: a resource with a fragment', { resources: { 'https://wiki.example/mcp#a': resource } }, /fragment/],
    ['a resource with a user name', { resources: { 'https://ada@wiki.example/mcp': resource } }, /no user name/],
    [
      'AS-15: a resource that is not in canonical form',
      { resources: { 'https://Wiki.example:443/mcp': resource } },
      /canonical form, which is https:\/\/wiki\.example\/mcp/,
    ],
    [
      'AS-15: one resource in two spellings',
      { resources: { 'https://wiki.example/mcp': resource, 'https://wiki.example/mcp/': resource } },
      /same resource/,
    ],
    [
      'SP-24: a resource that is the administration',
      { resources: { 'http://localhost:4000/admin': resource } },
      /administration/,
    ],
    [
      'a scope of administration',
      {
        resources: {
          'https://w.example': { ...resource, scopes: { 'admin:users': { description: 'x' } }, defaultScopes: [] },
        },
      },
      /only the administration/,
    ],
    [
      'a role of a resource with a scope of another',
      { resources: { 'https://w.example': { ...resource, roles: { agent: ['desk:admin'] } } } },
      /no such scope here: desk:admin/,
    ],
    [
      'a default scope that does not exist',
      { resources: { 'https://w.example': { ...resource, defaultScopes: ['wiki:write'] } } },
      /defaultScopes/,
    ],
  ])('is refused for %s', (_what, content, message) => {
    expect(problems(withFile(content)).join('\n')).toMatch(message);
  });

  test.each([
    [
      { extra: 1 },
      'extra: is no setting; known here: resources, roles, registration, refreshTokens, clientMetadataDocuments, dpop, enterpriseAuthorization, signingKeys, audit, upstreams.',
    ],
    [
      { registration: { polcy: 'open' } },
      'registration → polcy: is no setting; known here: policy, redirectHosts, quota, softwareStatements.',
    ],
    [
      { resources: { 'https://w.example': { ...resource, scopes: { 'w:r': { description: 'x', color: 1 } } } } },
      'resources → https://w.example → scopes → w:r → color: is no setting; known here: description, sensitive.',
    ],
    [{ registration: { policy: 'closed' } }, 'registration → policy: must be one of "open", "token", "review", "off".'],
    [
      { registration: { quota: { perNetworkPerHour: 0 } } },
      'registration → quota → perNetworkPerHour: must be at least 1.',
    ],
    [{ clientMetadataDocuments: { ports: [443.5] } }, 'clientMetadataDocuments → ports → 0: must be a whole number.'],
    [{ clientMetadataDocuments: { ports: [70000] } }, 'clientMetadataDocuments → ports → 0: must be at most 65535.'],
    [{ clientMetadataDocuments: { enabled: 'yes' } }, 'clientMetadataDocuments → enabled: must be true or false.'],
    [{ resources: [] }, 'resources: must be an object: { … }.'],
    [{ roles: { agent: 'desk:read' } }, 'roles → agent: must be a list: [ … ].'],
    [
      { resources: { 'https://w.example': { ...resource, name: undefined } } },
      'resources → https://w.example → name: is missing; it must be a text in quotes.',
    ],
    [
      { resources: { 'https://w.example': { ...resource, name: '' } } },
      'resources → https://w.example → name: must not be empty.',
    ],
    [
      { upstreams: { GitHub: { preset: 'github', clientId: 'x' } } },
      'upstreams → GitHub: is no name for an upstream: lower-case letters, digits and hyphens, at most 30.',
    ],
    [
      { upstreams: { own: { clientId: 'x', issuer: 'https://a.example' } } },
      'upstreams → own → tokenEndpoint: is missing; there is no preset for it.',
    ],
    [
      { upstreams: { microsoft: { preset: 'entra', clientId: 'x', tenant: 'common' } } },
      'upstreams → microsoft → tenant: must be the id of one tenant, in lower case: common is none.',
    ],
    [
      { upstreams: { microsoft: { preset: 'entra', clientId: 'x' } } },
      'upstreams → microsoft → tenant: is missing; say whose accounts are meant.',
    ],
    [
      { upstreams: { own: { preset: 'google', clientId: 'x', clientSecret: 'never here' } } },
      'upstreams → own → clientSecret: is no setting; known here: preset, name, clientId, clientAuthentication, tenant, issuer, discovery, authorizationEndpoint, tokenEndpoint, revocationEndpoint, revokesAll, namesItself, user, baseScopes, authorizationParameters, scopes, signIn.',
    ],
    [
      { upstreams: { own: { preset: 'google', clientId: 'x', authorizationParameters: { state: 'mine' } } } },
      'upstreams → own → authorizationParameters: cannot set client_id, redirect_uri, response_type, response_mode, scope, state, nonce, code_challenge, code_challenge_method.',
    ],
    [
      { upstreams: { own: { preset: 'google', clientId: 'x', issuer: 'http://internal.example' } } },
      'upstreams → own → issuer: must be an https URL (or http on loopback) without query and fragment.',
    ],
    [
      { resources: { 'https://w.example': { ...resource, upstream: { name: 'github', scopes: {} } } } },
      'resources → https://w.example → upstream → name: is none of upstreams: there are none.',
    ],
    [
      {
        upstreams: { github: { preset: 'github', clientId: 'x' } },
        resources: {
          'https://w.example': { ...resource, upstream: { name: 'github', scopes: { 'w:r': ['admin:org'] } } },
        },
      },
      'resources → https://w.example → upstream → scopes → w:r: needs admin:org: say what that means in upstreams → github → scopes.',
    ],
    ...(['entra', 'slack', 'atlassian'] as const).map((preset): [object, string] => [
      twoSetsAt(preset, { there: 'x' }),
      'upstreams → there: gives each token all that its user ever agreed to for one client there, so all scopes of all resources must need the same scopes of it, not [one] and [one two]. Let each of them need [one two]; or register a client there for each set, and give each an upstream of its own here, with its own clientId.',
    ]),
    [7, 'top level: must be an object: { … }.'],
  ])('%j is refused in plain words, with the place and what is allowed there', (content, words) => {
    expect(problems(withFile(content))).toContain(`Configuration file, ${words}`);
  });

  /** Two resources that need different scopes of one service, each through one of the names that it has here. */
  function twoSetsAt(preset: string, clientIds: Record<string, string>): object {
    const names = Object.keys(clientIds);
    const words = { one: '1', two: '2' };
    const upstream = (clientId: string) => ({ preset, clientId, issuer: 'https://a.example', scopes: words });
    const uses = (name = '', needed: string[] = []) => {
      return { ...resource, upstream: { name, scopes: { 'wiki:read': needed } } };
    };
    return {
      upstreams: Object.fromEntries(Object.entries(clientIds).map(([name, id]) => [name, upstream(id)])),
      resources: {
        'https://w.example': uses(names[0], ['one']),
        'https://v.example': uses(names.at(-1), ['two', 'one']),
      },
    };
  }

  test('a service that gives all that was ever agreed to is used for two sets of scopes through two clients there', () => {
    const secrets = { PORTCULLIS_UPSTREAM_THERE_SECRET: 'one secret', PORTCULLIS_UPSTREAM_TOO_SECRET: 'another' };
    const start = (too: string) => problems({ ...withFile(twoSetsAt('slack', { there: 'x', too })), ...secrets });
    expect(start('y')).toEqual([]);
    // Two names for one client are no way around it.
    expect(start('x')).toEqual([
      expect.stringMatching(/upstreams → there: gives each token all/),
      expect.stringMatching(/upstreams → too: gives each token all/),
    ]);
  });

  test('all that is wrong is said at once, and never in the words of the library that found it', () => {
    const found = problems(
      withFile({ registration: { policy: 'closed', quota: { overallPerHour: 'many' } }, roles: { a: 1 }, extra: 1 }),
    );
    expect(found).toHaveLength(4);
    expect(found.join()).not.toMatch(/Invalid|expected|received|many/);
  });

  test('says how long refresh tokens live (SP-10)', () => {
    const refreshTokens = { idleSeconds: 3600, absoluteSeconds: 7200, suspiciousReplay: 'revoke' };
    expect(readConfig(withFile({ refreshTokens })).refreshTokens).toEqual(refreshTokens);
    expect(problems(withFile({ refreshTokens: { idleSeconds: 7200, absoluteSeconds: 3600 } })).join()).toMatch(
      /idleSeconds: must not be longer than absoluteSeconds/,
    );
    expect(problems(withFile({ refreshTokens: { idleSeconds: 59 } }))).toHaveLength(1);
  });

  test('pins metadata documents, as they are or with the day on which they were pinned', () => {
    const id = 'https://app.example/client.json';
    const document = { client_id: id, client_name: 'App', redirect_uris: ['http://localhost/callback'] };
    const pinnedOf = (entry: unknown) => {
      const file = withFile({ clientMetadataDocuments: { pinned: { [id]: entry } } });
      return readConfig(file).clientMetadataDocuments.pinned[id];
    };
    expect(pinnedOf(document)).toEqual({ document });
    expect(pinnedOf({ document })).toEqual({ document });
    expect(pinnedOf({ document, pinnedAt: '2026-08-01' })).toEqual({ document, pinnedAt: new Date('2026-08-01') });
    expect(readConfig({}).clientMetadataDocuments).toEqual({
      enabled: true,
      pinned: {},
      ports: [],
      trust: { default: 'allow', allow: [], deny: [], ask: [] },
    });
  });

  test.each([
    ['another client_id', { client_id: 'https://app.example/other' }, 'client_id'],
    ['no name', { client_name: undefined }, 'client_name'],
    ['no redirect URI', { redirect_uris: [] }, 'redirect_uris'],
    ['a secret', { client_secret: 'hidden' }, 'client_secret'],
  ])('AS-25: a pinned document is checked like a fetched one: %s', (_what, changes, named) => {
    const id = 'https://app.example/client.json';
    const document = { client_id: id, client_name: 'App', redirect_uris: ['https://app.example/cb'], ...changes };
    const found = problems(withFile({ clientMetadataDocuments: { pinned: { [id]: document } } }));
    expect(found).toEqual([expect.stringContaining(named)]);
    expect(found[0]).not.toContain('hidden');
  });

  test('AS-28: a pinned document needs a client id that could be one', () => {
    const pinned = { 'http://app.example/c': { client_id: 'http://app.example/c' } };
    expect(problems(withFile({ clientMetadataDocuments: { pinned } }))).toHaveLength(1);
    const trust = { deny: ['https://app.example'] };
    expect(problems(withFile({ clientMetadataDocuments: { trust } }))).toHaveLength(1);
  });

  test('SP-13: keys that would leave a good token without a known key are refused, by the life that tokens have', () => {
    const file = withFile({ signingKeys: { overlapSeconds: 3600 } });
    expect(problems(file)).toEqual([]);
    expect(problems({ ...file, PORTCULLIS_ACCESS_TOKEN_TTL: '3600' })).toEqual([
      expect.stringMatching(/signingKeys: overlapSeconds must be at least 3900 \(PORTCULLIS_ACCESS_TOKEN_TTL/),
    ]);
    const hasty = { signingKeys: { publishSeconds: 10, rotationSeconds: 9, jwksMaxAgeSeconds: 9 } };
    expect(problems(withFile(hasty))).toHaveLength(2);
  });

  test('the published JSON Schema is the one that the server checks with', () => {
    const published = readFileSync(new URL('../../../portcullis.config.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(published)).toEqual(configurationJsonSchema());
  });

  test('the example is a configuration that works', () => {
    const example = fileURLToPath(new URL('../../../portcullis.config.example.json', import.meta.url));
    expect(problems({ PORTCULLIS_CONFIG: example })).toEqual([]);
  });

  test('a file that is named must be there', () => {
    expect(problems({ PORTCULLIS_CONFIG: join(folder, 'missing.json') })).toHaveLength(1);
  });
});

describe('enterprise-managed authorization', () => {
  const withProvider = (provider: object, issuer = 'https://idp.example', more: object = {}) =>
    withFile({ ...more, enterpriseAuthorization: { identityProviders: { [issuer]: provider } } });

  test('is off by default, and takes what the documentation shows', () => {
    expect(readConfig({}).identityProviders).toEqual({});
    const newUsers = { emailDomains: ['acme.example'], roles: ['agent'] };
    const { identityProviders } = readConfig(withProvider({ clients: ['c-2f1c'], newUsers }));
    expect(identityProviders['https://idp.example']).toEqual({
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      clients: ['c-2f1c'],
      newUsers,
    });
  });

  const inline = { jwks: { keys: [{ kty: 'EC' }] } };
  test.each<[string, object, string, RegExp]>([
    ['EX-12: plain http', {}, 'http://idp.example', /is no https URL/],
    ['EX-12: an issuer with a query', {}, 'https://idp.example/?tenant=hunter2', /is no https URL/],
    ['AS-30: an address', {}, 'https://169.254.169.254', /fetched by https from a host name/],
    ['AS-30: another port', {}, 'https://idp.example:8443', /port 443 only/],
    ['AS-30: keys at an address', { jwksUri: 'https://127.0.0.1/keys' }, 'https://idp.example', /jwksUri: its keys/],
    ['AS-30: keys by plain http', { jwksUri: 'http://idp.example/keys' }, 'https://idp.example', /jwksUri: its keys/],
    ['EX-8: no signature', { algorithms: ['none'] }, 'https://idp.example', /must be one of "RS256"/],
    ['EX-8: a shared secret', { algorithms: ['HS256'] }, 'https://idp.example', /must be one of "RS256"/],
    ['no algorithm at all', { algorithms: [] }, 'https://idp.example', /must list at least 1/],
    ['a secret key', { jwks: { keys: [{ kty: 'oct', k: 'hunter2' }] } }, 'https://idp.example', /must be one of "EC"/],
    ['a private key', { jwks: { keys: [{ kty: 'EC', d: 'hunter2' }] } }, 'https://idp.example', /a private key/],
    ['keys twice', { ...inline, jwksUri: 'https://idp.example/k' }, 'https://idp.example', /one is enough/],
    ['a misspelt setting', { jwks_uri: 'https://idp.example/k' }, 'https://idp.example', /is no setting; known here/],
    [
      'new users from anywhere',
      { newUsers: { emailDomains: [], roles: ['agent'] } },
      'https://idp.example',
      /at least 1/,
    ],
    [
      'a domain with a star',
      { newUsers: { emailDomains: ['*.a.example'], roles: ['agent'] } },
      'https://idp.example',
      /is no domain/,
    ],
    [
      'a role that there is not',
      { newUsers: { emailDomains: ['a.example'], roles: ['boss'] } },
      'https://idp.example',
      /boss is no role here; there are agent/,
    ],
  ])('%s is refused', (_what, provider, issuer, problem) => {
    const found = problems(withProvider(provider, issuer));
    expect(found.join()).toMatch(problem);
    expect(found).toHaveLength(1);
  });

  test('keys that stand in the configuration are not fetched, so their issuer may be anywhere', () => {
    expect(problems(withProvider(inline, 'https://10.0.0.5:8443/realms/acme'))).toEqual([]);
  });
});

describe('signing in elsewhere', () => {
  const secret = { PORTCULLIS_UPSTREAM_THERE_SECRET: 'a secret' };
  const withUpstream = (upstream: object) => ({
    ...withFile({ upstreams: { there: { clientId: 'us', ...upstream } } }),
    ...secret,
  });
  const tenant = '0f0e0d0c-0000-4000-8000-000000000001';

  test('is off unless it is named, and asks for no more than who somebody is', () => {
    expect(readConfig(withUpstream({ preset: 'google' })).upstreams[0]?.signIn).toBeUndefined();
    const { upstreams } = readConfig(withUpstream({ preset: 'google', signIn: {} }));
    expect(upstreams[0]).toMatchObject({
      domainClaim: 'hd',
      signIn: { scopes: ['openid', 'email', 'profile'], groupsClaim: 'groups', roles: {} },
    });
    expect(problems(withUpstream({ preset: 'entra', tenant, signIn: {} }))).toEqual([]);
  });

  test.each<[string, object, RegExp]>([
    ['GitHub, which gives no ID tokens', { preset: 'github', signIn: {} }, /signIn: needs ID tokens/],
    ['Microsoft without a tenant', { preset: 'entra', signIn: {} }, /tenant: is missing; say whose accounts/],
    [
      'Microsoft for everybody, by its issuer',
      { preset: 'entra', issuer: 'https://login.microsoftonline.com/common/v2.0', signIn: {} },
      /tenant: is missing; say whose people/,
    ],
    ['the tenant common', { preset: 'entra', tenant: 'common', signIn: {} }, /common is none/],
    ['new users from anywhere', { preset: 'google', signIn: { newUsers: { roles: ['agent'] } } }, /must say who/],
    ['a role that there is not', { preset: 'google', signIn: { roles: { boss: ['g'] } } }, /boss is no role here/],
    ['no openid', { preset: 'google', signIn: { scopes: ['email'] } }, /must hold openid/],
  ])('%s is refused', (_what, upstream, problem) => {
    const found = problems(withUpstream(upstream));
    expect(found.join()).toMatch(problem);
    expect(found).toHaveLength(1);
  });
});

test('prepared statements are kept unless a pooler cannot have them', () => {
  expect(readConfig({}).preparesStatements).toBe(true);
  expect(readConfig({ PORTCULLIS_DATABASE_PREPARED_STATEMENTS: 'off' }).preparesStatements).toBe(false);
  expect(problems({ PORTCULLIS_DATABASE_PREPARED_STATEMENTS: 'no' })).toHaveLength(1);
});

describe('SP-29 the desk in two', () => {
  const urls = (env: Record<string, string>) => readConfig(env).resources.map(({ url }) => url);

  test('is two resources, of which the one that acts grants no reading', () => {
    const { resources } = readConfig({ PORTCULLIS_MCP_SPLIT: 'on' });
    const [read, act] = resources;
    expect([read.url, act?.url]).toEqual(['http://localhost:4001/mcp/read', 'http://localhost:4001/mcp/act']);
    expect(Object.keys(act?.scopes ?? {})).toEqual(['desk:write', 'desk:admin']);
    expect(act?.defaultScopes).toEqual(['desk:write']);
  });

  test('is one as it comes', () => {
    expect(urls({})).toEqual(['http://localhost:4001/mcp']);
    expect(problems({ PORTCULLIS_MCP_SPLIT: 'maybe' })).toHaveLength(1);
  });

  test('takes what the configuration says about one of the two', () => {
    const act = 'http://localhost:4001/mcp/act';
    const scopes = { 'desk:write': { description: 'Reply', sensitive: true } };
    const env = withFile({ resources: { [act]: { name: 'Mine', scopes, defaultScopes: ['desk:write'] } } });
    const { resources } = readConfig({ ...env, PORTCULLIS_MCP_SPLIT: 'on' });
    expect(resources).toHaveLength(2);
    expect(resources[1]).toMatchObject({ url: act, name: 'Mine' });
  });
});
