import { describe, expect, test } from '@jest/globals';
import type { Logger } from '@portcullis/platform';
import { freshForSeconds, retryAfterSeconds } from '../src/client-metadata/cache-lifetime.ts';
import { type ClientDocumentsDeps, createClientDocuments } from '../src/client-metadata/client-documents.ts';
import { isClientIdUrl } from '../src/client-metadata/client-id-url.ts';
import { jsonReader, judgeFetch } from '../src/client-metadata/fetch-outcome.ts';
import { knownDocument } from '../src/client-metadata/known-documents.ts';
import { fingerprintOf, readMetadataDocument } from '../src/client-metadata/metadata-document.ts';
import { pinnedTexts } from '../src/client-metadata/pinned-documents.ts';
import { trustOf } from '../src/client-metadata/trust-policy.ts';

const ID = 'https://app.example/client.json';
const now = new Date('2026-11-20T10:00:00Z');
const document = { client_id: ID, client_name: 'App', redirect_uris: ['http://localhost/callback'] };
const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };

function read(changes: Record<string, unknown>) {
  return readMetadataDocument(JSON.stringify({ ...document, ...changes }), ID);
}

function accepted(changes: Record<string, unknown> = {}) {
  const result = read(changes);
  if (!result.ok) throw new Error(result.problem);
  return result.metadata;
}

describe('metadata documents as clients publish them', () => {
  test('AS-37: a loopback redirect makes a native app, whatever the document says', () => {
    expect(accepted().application_type).toBe('native');
    expect(accepted({ application_type: 'web' }).application_type).toBe('native');
    expect(accepted({ redirect_uris: ['https://app.example/cb'] }).application_type).toBe('web');
  });

  test('grant types that are not known here are left out', () => {
    const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    expect(accepted({ grant_types: ['authorization_code', jwtBearer] }).grant_types).toEqual(['authorization_code']);
    expect(accepted({ grant_types: [jwtBearer] }).grant_types).toEqual(['authorization_code', 'refresh_token']);
  });

  test.each([
    ['nothing said', {}, 'none'],
    ['none', { token_endpoint_auth_method: 'none' }, 'none'],
    ['a key', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key] } }, 'private_key_jwt'],
    [
      'a preferred method out of two',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
        jwks_uri: 'https://app.example/jwks.json',
      },
      'private_key_jwt',
    ],
    [
      'two methods, and a key',
      { token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'], jwks: { keys: [key] } },
      'private_key_jwt',
    ],
    ['two methods, and no key', { token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'] }, 'none'],
    [
      'a preferred method without its key, and another',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
      },
      'none',
    ],
    [
      'a preference for none',
      {
        token_endpoint_auth_method: 'none',
        token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
        jwks: { keys: [key] },
      },
      'none',
    ],
  ])('AS-35: how a client authenticates: %s', (_what, changes, method) => {
    expect(accepted(changes).token_endpoint_auth_method).toBe(method);
  });

  test.each([
    ['another client_id', { client_id: `${ID}/` }],
    ['U+0000 in its name', { client_name: 'A\0' }],
    ['U+0000 in a redirect URI', { redirect_uris: ['https://app.example/\0'] }],
    ['a blank name', { client_name: '  ' }],
    ['a name that is no text', { client_name: 7 }],
    ['redirect URIs that are no list', { redirect_uris: 'https://app.example/cb' }],
    ['no usable redirect URI', { redirect_uris: ['javascript:alert(1)', 'http://app.example/cb'] }],
    ['a secret that is empty', { client_secret: '' }],
    ['a secret that expires', { client_secret_expires_at: 0 }],
    ['client_secret_jwt', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['tls_client_auth', { token_endpoint_auth_method: 'tls_client_auth' }],
    ['only methods that are not known here', { token_endpoint_auth_methods_supported: ['tls_client_auth'] }],
    ['no choice at all', { token_endpoint_auth_methods_supported: [] }],
    ['a private RSA key', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'RSA', d: 'd' }] } }],
    ['keys that are no list', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: {} } }],
    [
      'both keys that cannot be used and a place to fetch others',
      { token_endpoint_auth_method: 'private_key_jwt', jwks: 7, jwks_uri: 'https://app.example/jwks.json' },
    ],
  ])('AS-24, AS-25, AS-29: refused with %s', (_what, changes) => {
    expect(read(changes).ok).toBe(false);
  });

  test.each(['', 'null', '[]', '"text"', '7', '{', '{"__proto__":{"client_id":1}}'])('is no document: %s', (text) => {
    expect(readMetadataDocument(text, ID).ok).toBe(false);
  });

  test('what a user agrees to is where access goes and who can fetch it, in any order', () => {
    const uris = ['https://app.example/a', 'https://app.example/b'];
    const base = fingerprintOf(accepted({ redirect_uris: uris }));
    expect(fingerprintOf(accepted({ redirect_uris: uris.toReversed(), client_name: 'Other' }))).toBe(base);
    expect(fingerprintOf(accepted({ redirect_uris: uris.slice(1) }))).not.toBe(base);
    const keyed = { token_endpoint_auth_method: 'private_key_jwt' };
    const fingerprints = [
      { ...keyed, jwks: { keys: [key] } },
      { ...keyed, jwks: { keys: [{ ...key, x: 'other' }] } },
      { ...keyed, jwks_uri: 'https://app.example/1' },
      { ...keyed, jwks_uri: 'https://app.example/2' },
    ].map((changes) => fingerprintOf(accepted(changes)));
    expect(new Set(fingerprints).size).toBe(4);
  });

  test('every document that we wrote is one that we would take', () => {
    for (const id of [
      'https://claude.ai/oauth/claude-code-client-metadata',
      'https://claude.ai/oauth/mcp-oauth-client-metadata',
      'https://chatgpt.com/oauth/client.json',
      'https://chatgpt.com/oauth/AbC_1-2/client.json',
      'https://chatgpt.com/oauth/codex/client.json',
      'https://vscode.dev/oauth/client-metadata.json',
    ])
      expect(readMetadataDocument(knownDocument(id) ?? '', id)).toMatchObject({ ok: true });
    for (const id of [
      'https://chatgpt.com/oauth/a/b/client.json',
      'https://evil.example/oauth/client.json',
      'toString',
    ])
      expect(knownDocument(id)).toBeUndefined();
  });
});

test.each([
  ['https://app.example/c', true],
  ['https://app.example/c?v=1', true],
  ['https://app.example:8443/c', true],
  ['https://app.example', false],
  ['https://app.example/', false],
  ['https://app.example/?c', false],
  ['https://app.example/c#', false],
  ['https://app.example/c#f', false],
  ['https://app.example/./c', false],
  ['https://app.example/%2E%2e/c', false],
  ['https://app.example/c/..', false],
  ['https://a@app.example/c', false],
  ['https://:@app.example/c', false],
  ['https://APP.example/c', false],
  ['https://app.example./c', false],
  ['https:\\\\app.example\\c', false],
  ['https:app.example/c', false],
  ['http://app.example/c', false],
  [' https://app.example/c', false],
  [`https://app.example/${'c'.repeat(2048)}`, false],
])('AS-28: %s may have a document: %s', (clientId, expected) => {
  expect(isClientIdUrl(clientId)).toBe(expected);
});

/** A log that keeps what it is warned of. */
function loggerTo(warned: unknown[]): Logger {
  return { warn: (detail: unknown) => void warned.push(detail) } as unknown as Logger;
}

const headers = (values: Record<string, string>) => (name: string) => values[name];

test.each([
  [{}, 60],
  [{ 'cache-control': 'max-age=3600' }, 3600],
  [{ 'cache-control': 'public, Max-Age="600"' }, 600],
  [{ 'cache-control': 'max-age=3600', age: '600' }, 3000],
  [{ 'cache-control': 'max-age=10, s-maxage=900' }, 900],
  [{ 'cache-control': 'max-age=0' }, 60],
  [{ 'cache-control': 'no-store, max-age=3600' }, 60],
  [{ 'cache-control': 'no-cache' }, 60],
  [{ 'cache-control': 'max-age=99999999' }, 86_400],
  [{ 'cache-control': 'max-age=-5' }, 60],
  [{ expires: 'Fri, 20 Nov 2026 11:00:00 GMT' }, 3600],
  [{ expires: '0' }, 60],
  [{ expires: 'Fri, 20 Nov 2026 11:00:00 GMT', 'cache-control': 'max-age=120' }, 120],
])('AS-27: an answer with %j is fresh for %i seconds', (values, seconds) => {
  expect(freshForSeconds(headers(values), now)).toBe(seconds);
});

test.each([
  [{}, 30],
  [{ 'retry-after': '5' }, 30],
  [{ 'retry-after': '120' }, 120],
  [{ 'retry-after': '999999' }, 3600],
  [{ 'retry-after': 'Fri, 20 Nov 2026 10:10:00 GMT' }, 600],
  [{ 'retry-after': 'soon' }, 30],
])('after a failure with %j it is tried again in %i seconds', (values, seconds) => {
  expect(retryAfterSeconds(headers(values), now)).toBe(seconds);
});

const reader = jsonReader(() => ({ ok: true }));

test.each([
  ['application/json', 'document'],
  ['application/json; charset=utf-8', 'document'],
  ['application/vnd.client+json', 'document'],
  ['application/jsonp', 'withdrawn'],
  ['text/plain', 'withdrawn'],
  ['', 'withdrawn'],
])('an answer of type %s is %s', (contentType, kind) => {
  const answer = { status: 200, header: headers({ 'content-type': contentType }), body: Buffer.from('{}') };
  expect(judgeFetch({ ok: true, answer }, reader, now).kind).toBe(kind);
});

test.each([
  [200, 'withdrawn'],
  [201, 'withdrawn'],
  [204, 'withdrawn'],
  [304, 'withdrawn'],
  [401, 'withdrawn'],
  [451, 'withdrawn'],
  [403, 'unreachable'],
  [429, 'unreachable'],
  [599, 'unreachable'],
])('AS-29: bytes that are no UTF-8, with status %i: %s', (status, kind) => {
  const header = headers({ 'content-type': 'application/json' });
  const answer = { status, header, body: Buffer.from([0x7b, 0xff, 0x7d]) };
  expect(judgeFetch({ ok: true, answer }, reader, now).kind).toBe(kind);
});

test('AS-34: of two lists the stricter one counts, and *. stands for what lies below', () => {
  const policy = {
    default: 'ask',
    allow: ['app.example', '*.apps.example'],
    deny: ['bad.apps.example'],
    ask: [],
  } as const;
  const trust = (host: string) => trustOf(`https://${host}/c`, policy);
  expect([trust('app.example'), trust('a.b.apps.example'), trust('bad.apps.example')]).toEqual([
    'allow',
    'allow',
    'deny',
  ]);
  for (const host of ['apps.example', 'evilapps.example', 'x.app.example', 'other.example'])
    expect(trust(host)).toBe('ask');
});

test('whoever runs the server is told that a document of ours stands in, and which to pin', async () => {
  const warned: unknown[] = [];
  const clientId = 'https://claude.ai/oauth/claude-code-client-metadata';
  const deps = {
    documents: async () => ({ kind: 'unreachable', reason: 'the answer was 403' }),
    pinned: new Map(),
    trust: { default: 'allow', allow: [], deny: [], ask: [] },
    log: loggerTo(warned),
  };
  const documents = createClientDocuments(deps as unknown as ClientDocumentsDeps);
  expect(await documents.find(clientId)).toMatchObject({ ok: true, client: { client_name: 'Claude Code' } });
  expect(warned).toEqual([{ clientId, reason: 'the answer was 403' }]);
  expect(await documents.find(ID)).toMatchObject({ ok: false, refusal: { reason: 'unreachable' } });
});

test('a document that was pinned more than 90 days ago is used, with a word to the operator', () => {
  const warned: unknown[] = [];
  const texts = pinnedTexts(
    {
      [ID]: { document, pinnedAt: new Date('2026-08-01') },
      'https://app.example/new': { document, pinnedAt: new Date('2026-11-01') },
      'https://app.example/undated': { document },
    },
    { now, log: loggerTo(warned) },
  );
  expect([...texts.keys()]).toHaveLength(3);
  expect(warned).toEqual([{ clientId: ID, ageDays: 111 }]);
});
