import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { withMcpClientSecret } from '../start/mcp-client-secret.mjs';
import { authorizationServer, mcpServer, withAddresses, withSplit } from '../start/servers.mjs';

const env = {
  PATH: '/bin',
  PORTCULLIS_ISSUER: 'https://login.example',
  PORTCULLIS_MCP_URL: 'https://desk.example/mcp',
  PORTCULLIS_MASTER_KEY: 'secret',
  PORTCULLIS_MASTER_KEY_FILE: '/run/secrets/master',
  PORTCULLIS_MASTER_KEY_PREVIOUS: 'secret before',
  PORTCULLIS_MASTER_KEY_PREVIOUS_FILE: '/run/secrets/master-before',
  DATABASE_URL: 'postgresql://secret',
  DATABASE_URL_FILE: '/run/secrets/database',
  PORTCULLIS_MIGRATE_DATABASE_URL: 'postgresql://owner',
  PORTCULLIS_ADMIN_EMAIL: 'ada@example.com',
  PORTCULLIS_ADMIN_PASSWORD: 'secret',
  PORTCULLIS_ADMIN_PASSWORD_FILE: '/run/secrets/admin',
  PORTCULLIS_MCP_DATABASE_URL: 'postgresql://desk',
  PORTCULLIS_MCP_DATABASE_URL_FILE: '/run/secrets/desk',
  PORTCULLIS_MCP_ANALYTICS_DATABASE_URL: 'postgresql://analytics',
  PORTCULLIS_MCP_TOKEN: 'pct_secret',
  PORTCULLIS_MCP_CLIENT_SECRET_FILE: '/run/secrets/mcp-client',
};

describe('each server is started without the other’s secrets', () => {
  test('the MCP server', () => {
    expect(Object.keys(mcpServer(env).env).sort()).toEqual([
      'PATH',
      'PORTCULLIS_ISSUER',
      'PORTCULLIS_MCP_ANALYTICS_DATABASE_URL',
      'PORTCULLIS_MCP_CLIENT_SECRET_FILE',
      'PORTCULLIS_MCP_DATABASE_URL',
      'PORTCULLIS_MCP_DATABASE_URL_FILE',
      'PORTCULLIS_MCP_TOKEN',
      'PORTCULLIS_MCP_URL',
    ]);
  });

  test('the authorization server', () => {
    const names = Object.keys(authorizationServer(env).env);
    expect(names.filter((name) => name.startsWith('PORTCULLIS_MCP_'))).toEqual([
      'PORTCULLIS_MCP_URL',
      'PORTCULLIS_MCP_CLIENT_SECRET_FILE',
    ]);
    expect(names).toContain('PORTCULLIS_MASTER_KEY');
    expect(names).toContain('PORTCULLIS_MASTER_KEY_PREVIOUS');
  });
});

test.each([
  [{}, 'http://127.0.0.1:4000/readyz'],
  [{ PORTCULLIS_HOST: '0.0.0.0', PORTCULLIS_PORT: '80' }, 'http://127.0.0.1:80/readyz'],
  [{ PORTCULLIS_PORT: '0' }, undefined],
  [{ PORTCULLIS_HOST: '::' }, 'http://[::1]:4000/readyz'],
  [{ PORTCULLIS_HOST: '::1' }, 'http://[::1]:4000/readyz'],
  [{ PORTCULLIS_HOST: '10.0.0.7' }, 'http://10.0.0.7:4000/readyz'],
])('with %p it is asked at %s', (settings, url) => {
  expect(authorizationServer(settings).readyUrl).toBe(url);
});

describe('the secret of the MCP server’s own client', () => {
  const name = 'PORTCULLIS_MCP_CLIENT_SECRET';

  test('is made once, in the data folder, for its owner’s eyes', () => {
    const root = mkdtempSync(join(tmpdir(), 'portcullis-start-'));
    try {
      const { [`${name}_FILE`]: file } = withMcpClientSecret({ PORTCULLIS_DATA_DIR: 'own' }, root);
      expect(file).toBe(join(root, 'own', 'mcp-client-secret'));
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(join(root, 'own')).mode & 0o777).toBe(0o700);
      const secret = readFileSync(file, 'utf8');
      expect(secret).toMatch(/^[\w-]{43}$/);
      withMcpClientSecret({ PORTCULLIS_DATA_DIR: 'own' }, root);
      expect(readFileSync(file, 'utf8')).toBe(secret);
      const elsewhere = withMcpClientSecret({}, root);
      expect(readFileSync(elsewhere[`${name}_FILE`], 'utf8')).not.toBe(secret);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  test.each([{ [name]: 'given' }, { [`${name}_FILE`]: '/run/secrets/mcp-client' }])('is left as it is: %p', (env) => {
    expect(withMcpClientSecret(env, '/nowhere')).toEqual(env);
  });
});

describe('an address that is not set', () => {
  test('follows its port', () => {
    const env = withAddresses({ PORTCULLIS_PORT: '4100', PORTCULLIS_MCP_PORT: '4101' });
    expect(env.PORTCULLIS_ISSUER).toBe('http://localhost:4100');
    expect(env.PORTCULLIS_MCP_URL).toBe('http://localhost:4101/mcp');
  });

  test('is left to the servers without a port, or with one that the system chooses', () => {
    for (const port of [undefined, '', '0', 'abc']) {
      expect(withAddresses({ PORTCULLIS_PORT: port })).toEqual({ PORTCULLIS_PORT: port });
    }
  });

  test('gives way to one that is set', () => {
    const env = withAddresses({ PORTCULLIS_PORT: '4100', PORTCULLIS_ISSUER: 'https://login.example.com' });
    expect(env.PORTCULLIS_ISSUER).toBe('https://login.example.com');
  });
});

test('--split is told to both servers, and nothing else is', () => {
  expect(withSplit(env, ['--split'])).toEqual({ ...env, PORTCULLIS_MCP_SPLIT: 'on' });
  expect(withSplit(env, [])).toEqual(env);
});
