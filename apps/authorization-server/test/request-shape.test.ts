import { describe, expect, test } from '@jest/globals';
import { pathForLog } from '../src/http/request-context.ts';
import { enginePath, isAuthorizationRequest, shapeAuthorizationQuery } from '../src/provider/request-shape.ts';
import { standInScopes, supportDesk } from '../src/resources.ts';

const desk = supportDesk('http://localhost:4001/mcp');
const other = {
  ...supportDesk('https://other.example/mcp'),
  scopes: { 'other:read': { description: 'Read', sensitive: false } },
  defaultScopes: ['other:read'],
};

function shaped(query: string): Record<string, string[]> {
  const result = shapeAuthorizationQuery(new URLSearchParams(query), [desk, other]);
  return Object.fromEntries([...new Set(result.keys())].map((key) => [key, result.getAll(key)]));
}

describe('authorization requests as real clients send them', () => {
  test('CL-12: a request without resource gets the standard one, and without scope what the client may have', () => {
    expect(shaped('client_id=a')).toEqual({ client_id: ['a'], resource: [desk.url] });
    expect(standInScopes(desk, undefined)).toEqual(['desk:read']);
    expect(standInScopes(desk, ['desk:write', 'desk:read'])).toEqual(['desk:read']);
    expect(standInScopes(desk, ['desk:write', 'other:read'])).toEqual(['desk:write']);
    expect(standInScopes(desk, ['other:read'])).toEqual([]);
  });

  test.each([['http://localhost:4001/mcp/'], ['HTTP://LOCALHOST:4001/mcp'], ['http://localhost:4001/mcp']])(
    'AS-15: %s means the canonical resource',
    (resource) => {
      expect(shaped(`resource=${encodeURIComponent(resource)}`).resource).toEqual([desk.url]);
    },
  );

  test.each([
    ['http://localhost:4001/mcp/x'],
    ['http://localhost:4001/MCP'],
    ['http://localhost:4002/mcp'],
    ['http://localhost.evil.example:4001/mcp'],
    ['http://a@localhost:4001/mcp'],
  ])('AS-14: %s is not the resource, and is left for the engine to refuse', (resource) => {
    expect(shaped(`resource=${encodeURIComponent(resource)}`).resource).toEqual([resource]);
  });

  test('scopes that the resource does not have are dropped', () => {
    expect(shaped('scope=openid+desk:write+offline_access').scope).toEqual(['desk:write']);
    expect(shaped('scope=openid+offline_access')).not.toHaveProperty('scope');
    expect(shaped('scope=constructor')).not.toHaveProperty('scope');
    expect(shaped(`scope=desk:read&resource=${encodeURIComponent(other.url)}`)).not.toHaveProperty('scope');
  });

  test('several resources are left for the engine to refuse', () => {
    expect(shaped(`resource=${desk.url}&resource=${other.url}`).resource).toHaveLength(2);
  });

  test('repeated parameters are left for the engine to refuse', () => {
    expect(shaped('scope=a&scope=b').scope).toEqual(['a', 'b']);
    expect(shaped('prompt=consent&prompt=login').prompt).toEqual(['consent', 'login']);
  });

  test('parameters that only OpenID Connect defines are ignored (RFC 6749 §3.1)', () => {
    expect(shaped('nonce=n&max_age=1&prompt=select_account')).not.toHaveProperty('nonce');
    expect(shaped('prompt=select_account')).not.toHaveProperty('prompt');
    expect(shaped('prompt=consent+select_account').prompt).toEqual(['consent']);
  });
});

describe('paths of an issuer with and without a path', () => {
  test('AS-4: the three well-known documents of an issuer with a path', () => {
    expect(enginePath('/.well-known/oauth-authorization-server/t', '/t')).toBe(
      '/.well-known/oauth-authorization-server',
    );
    expect(enginePath('/.well-known/openid-configuration/t', '/t')).toBe('/.well-known/openid-configuration');
    expect(enginePath('/t/.well-known/openid-configuration', '/t')).toBe('/.well-known/openid-configuration');
  });

  test('nothing answers beside the path', () => {
    expect(enginePath('/token', '/t')).toBeUndefined();
    expect(enginePath('/tt/token', '/t')).toBeUndefined();
    expect(enginePath('/t/token', '/t')).toBe('/token');
    expect(enginePath('/t', '/t')).toBe('/');
    expect(enginePath('/token', '')).toBe('/token');
  });
});

test.each([
  ['GET', '/authorize', true],
  ['GET', '/authorize/', true],
  ['GET', '/AUTHORIZE', true],
  ['HEAD', '/authorize', true],
  ['GET', '/authorize/uid', false],
  ['POST', '/authorize', false],
  ['GET', '/token', false],
])('%s %s is an authorization request: %s', (method, path, expected) => {
  expect(isAuthorizationRequest(method, path)).toBe(expected);
});

test.each([
  ['/interaction/abc', '/interaction/:uid'],
  ['/INTERACTION/abc', '/INTERACTION/:uid'],
  ['/admin/api/v1/registration-tokens/pcr_AbC-_1', '/admin/api/v1/registration-tokens/:secret'],
  [`/register/5b2e/${'x_-1'.repeat(11)}`, '/register/5b2e/:secret'],
  ['/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl/x', '/:secret/x'],
  ['/admin/api/v1/clients/5b2e', '/admin/api/v1/clients/5b2e'],
])('SP-8: of the path %s the log has %s', (path, logged) => {
  expect(pathForLog(path)).toBe(logged);
});
