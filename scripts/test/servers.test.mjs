import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Problem } from '../prepare/step.mjs';
import { withMcpClientSecret } from '../start/mcp-client-secret.mjs';
import { authorizationServer, mcpServer, withAddresses, withFewArenas, withSplit } from '../start/servers.mjs';

const SHARED = {
  PATH: '/bin',
  PORTCULLIS_ISSUER: 'https://login.example',
  PORTCULLIS_MCP_URL: 'https://desk.example/mcp',
  PORTCULLIS_MCP_UPSTREAM: 'tracker',
};

/** Every variable that the documentation calls a secret, and which of the two servers needs it. */
const READERS_OF_SECRETS = {
  DATABASE_URL: ['authorization server'],
  PORTCULLIS_MIGRATE_DATABASE_URL: ['authorization server'],
  PORTCULLIS_MCP_DATABASE_URL: ['MCP server'],
  PORTCULLIS_MCP_ANALYTICS_DATABASE_URL: ['MCP server'],
  PORTCULLIS_MCP_CLIENT_SECRET: ['authorization server', 'MCP server'],
  PORTCULLIS_MCP_TOKEN: ['MCP server'],
  'PORTCULLIS_UPSTREAM_<NAME>_SECRET': ['authorization server'],
  PORTCULLIS_MASTER_KEY: ['authorization server'],
  PORTCULLIS_MASTER_KEY_PREVIOUS: ['authorization server'],
  PORTCULLIS_ADMIN_PASSWORD: ['authorization server'],
};

describe('each server is started without the other’s secrets (SP-9)', () => {
  test('the list of secrets here is the documentation’s', () => {
    const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    const documented = [...text.matchAll(/`([A-Z_<>]+)` \(secret\)/g)].map(([, name]) => name);
    expect(documented.sort()).toEqual(Object.keys(READERS_OF_SECRETS).sort());
  });

  test.each(
    Object.entries(READERS_OF_SECRETS).flatMap(([name, readers]) => [
      [name.replace('<NAME>', 'TRACKER_TWO'), readers],
      [`${name.replace('<NAME>', 'TRACKER_TWO')}_FILE`, readers],
    ]),
  )('%s goes to %p alone', (name, readers) => {
    const env = { ...SHARED, [name]: 'secret' };
    const servers = [authorizationServer(env), mcpServer(env)];
    expect(servers.filter((server) => name in server.env).map((server) => server.name)).toEqual(readers);
    for (const server of servers) expect(server.env).toMatchObject(SHARED);
  });

  test('the first administrator’s address stays with the password', () => {
    expect(mcpServer({ PORTCULLIS_ADMIN_EMAIL: 'ada@example.com' }).env).toEqual({});
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

  test('a data folder that cannot be made or written into is said to be one, without a stack', () => {
    const root = mkdtempSync(join(tmpdir(), 'portcullis-start-'));
    try {
      writeFileSync(join(root, 'file'), '');
      for (const folder of ['file', 'file/below']) {
        const start = () => withMcpClientSecret({ PORTCULLIS_DATA_DIR: folder }, root);
        expect(start).toThrow(Problem);
        expect(start).toThrow(/^The data folder .+file.* cannot be used \(E\w+\)\. .*PORTCULLIS_DATA_DIR/);
      }
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
    for (const port of [undefined, '', '0', 'abc', '65536', '70000']) {
      expect(withAddresses({ PORTCULLIS_PORT: port })).toEqual({ PORTCULLIS_PORT: port });
    }
  });

  test('gives way to one that is set', () => {
    const env = withAddresses({ PORTCULLIS_PORT: '4100', PORTCULLIS_ISSUER: 'https://login.example.com' });
    expect(env.PORTCULLIS_ISSUER).toBe('https://login.example.com');
  });
});

test('--split is told to both servers, and nothing else is', () => {
  expect(withSplit(SHARED, ['--split'])).toEqual({ ...SHARED, PORTCULLIS_MCP_SPLIT: 'on' });
  expect(withSplit(SHARED, [])).toEqual(SHARED);
});

test('both servers keep little of the memory that was freed, unless they are told otherwise', () => {
  for (const server of [authorizationServer, mcpServer])
    expect(server(withFewArenas(SHARED)).env).toMatchObject({ MALLOC_ARENA_MAX: '2' });
  expect(withFewArenas({ MALLOC_ARENA_MAX: '8' })).toEqual({ MALLOC_ARENA_MAX: '8' });
});
