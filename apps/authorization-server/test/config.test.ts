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
    ['SP-6: plain http on a public host', { PORTCULLIS_ISSUER: 'http://login.example.com' }, /https/],
    ['a trailing slash', { PORTCULLIS_ISSUER: 'http://localhost:4000/' }, /canonical/],
    ['upper case', { PORTCULLIS_ISSUER: 'http://LOCALHOST:4000' }, /canonical/],
    ['a query', { PORTCULLIS_ISSUER: 'http://localhost:4000?x=1' }, /query/],
    ['no URL', { PORTCULLIS_ISSUER: 'localhost' }, /URL/],
    ['SP-2: tokens that live too long', { PORTCULLIS_ACCESS_TOKEN_TTL: '3601' }, /3600/],
    [
      'a master key beside the data of a public issuer',
      { PORTCULLIS_ISSUER: 'https://login.example.com', PORTCULLIS_MCP_URL: 'https://mcp.example.com' },
      /MASTER_KEY/,
    ],
  ])('refuses %s', (_what, env, message) => {
    expect(problems(env).join('\n')).toMatch(message);
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
