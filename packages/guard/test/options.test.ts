import { describe, expect, test } from '@jest/globals';
import { createGuard, type GuardOptions } from '../src/index.ts';

const good: GuardOptions = {
  issuer: 'https://login.example.com',
  resource: 'https://mcp.example.com/mcp',
  scopes: { supported: ['desk:read'], baseline: ['desk:read'] },
};
const refuses = (options: Partial<GuardOptions>) =>
  expect(() => createGuard({ ...good, ...options })).toThrow(TypeError);

describe('options that cannot work are refused at once', () => {
  test.each([
    'api',
    '/mcp',
    'mcp.example.com',
    'urn:example:mcp',
    'http://mcp.example.com/mcp',
    'https://MCP.example.com/mcp',
    'https://mcp.example.com:443/mcp',
    'https://mcp.example.com/a/../mcp',
    'https://mcp.example.com/mcp#x',
    'https://mcp.example.com/mcp?x=1',
    'https://user@mcp.example.com/mcp',
    '',
  ])('SP-20: resource %j', (resource) => refuses({ resource }));

  test.each([
    'login.example.com',
    'http://login.example.com',
    'https://login.example.com?x',
    'https://l.example/#',
    '',
  ])('SP-6: issuer %j', (issuer) => refuses({ issuer }));

  test.each(['none', 'HS256', 'A128KW', 'dir'])('algorithm %s', (name) => refuses({ algorithms: ['ES256', name] }));

  test('no algorithm, no usable number, no usable name', () => {
    refuses({ algorithms: [] });
    for (const clockToleranceSeconds of [-1, 61, Number.NaN]) refuses({ clockToleranceSeconds });
    for (const rememberedTokens of [-1, 100_001]) refuses({ rememberedTokens });
    for (const bodyLimitBytes of [0, 2 ** 40]) refuses({ bodyLimitBytes });
    refuses({ jwks: { cooldownMs: 0 } });
    refuses({ jwks: { url: 'http://login.example.com/jwks' } });
    refuses({ realm: 'a"b' });
    refuses({ realm: 'a\r\nx: y' });
  });

  test.each(['offline_access', 'a b', 'a"b', '', 'ä'])('RS-7: scope %j', (scope) => {
    refuses({ scopes: { supported: [scope], baseline: [] } });
    refuses({ scopes: { supported: [], baseline: [scope] } });
  });

  test.each(['*', 'null', 'https://*.example.com', 'example.com', 'https://example.com/'])('origin %j', (origin) => {
    refuses({ allowedOrigins: [origin] });
  });

  test.each(['*', 'a b', 'https://example.com', ''])('host %j', (host) => refuses({ allowedHosts: [host] }));

  test('all problems are named together', () => {
    expect(() => createGuard({ ...good, issuer: 'x', resource: 'y', realm: '"' })).toThrow(/issuer.*resource.*realm/);
  });
});

test('plain http is for loopback', () => {
  for (const host of ['localhost:4001', '127.0.0.1:4001', '[::1]:4001']) {
    const options = { ...good, issuer: `http://${host}`, resource: `http://${host}/mcp` };
    expect(createGuard(options).resourceMetadataUrl).toBe(`http://${host}/.well-known/oauth-protected-resource/mcp`);
  }
  refuses({ issuer: 'http://127.0.0.1.example.com' });
});

test('making a guard asks nobody', () => {
  const fetch = () => {
    throw new Error('the network was used');
  };
  expect(() => createGuard({ ...good, fetch })).not.toThrow();
});
