import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { inRoot } from '../prepare/root.mjs';

/** What Debian's docker-compose makes of the file; it asks no engine for it. */
function config(...options) {
  const args = [...options, '--file', inRoot('docker-compose.yml'), 'config'];
  const { status, stdout, stderr } = spawnSync('docker-compose', args, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: '/nonexistent' },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return parse(stdout).services;
}

describe('docker-compose config', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-compose-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('takes the file as it is: for yourself, on loopback', () => {
    const empty = join(folder, 'empty.env');
    writeFileSync(empty, '');
    const services = config('--env-file', empty);
    expect(services['authorization-server'].environment.PORTCULLIS_ISSUER).toBe('http://localhost:4000');
    expect(services['mcp-server'].environment.PORTCULLIS_MCP_URL).toBe('http://localhost:4001/mcp');
  });

  test('takes it with the settings for TLS, in which all names agree', () => {
    const { proxy, ...servers } = config('--env-file', inRoot('docker', 'tls.env'));
    const { LOGIN_SITE: login, DESK_SITE: desk } = proxy.environment;
    for (const name of ['authorization-server', 'mcp-server']) {
      expect(servers[name].environment).toMatchObject({
        PORTCULLIS_ISSUER: `https://${login}`,
        PORTCULLIS_MCP_URL: `https://${desk}/mcp`,
        PORTCULLIS_TRUST_PROXY: '1',
      });
    }
    expect(proxy.networks.outside.aliases).toEqual([login, desk]);
  });

  test('the proxy sends each name on to where its server listens', () => {
    const { proxy, ...servers } = config('--env-file', inRoot('docker', 'tls.env'));
    const [host, port] = proxy.environment.AUTHORIZATION_SERVERS.split(':');
    expect(servers[host].environment.PORTCULLIS_PORT).toBe(port);
    // The MCP server shares the network of the authorization server.
    const [mcpHost, mcpPort] = proxy.environment.MCP_SERVERS.split(':');
    expect(servers['mcp-server'].network_mode).toBe(`service:${mcpHost}`);
    expect(servers['mcp-server'].environment.PORTCULLIS_MCP_PORT).toBe(mcpPort);
    expect(readFileSync(inRoot('docker', 'Caddyfile'), 'utf8')).toContain('{$AUTHORIZATION_SERVERS:');
  });
});
