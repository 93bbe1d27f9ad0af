import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readConfig } from '../src/config.ts';

describe('configuration', () => {
  test('TR-2: nothing needs to be set, and it listens on loopback', () => {
    expect(readConfig({})).toMatchObject({
      issuer: 'http://localhost:4000',
      mcpUrl: 'http://localhost:4001/mcp',
      host: '127.0.0.1',
      port: 4001,
      dataDir: './data',
      databaseUrl: undefined,
      allowedOrigins: [],
      clientSecret: undefined,
      whenFeedIsDown: 'fail-closed-after',
      failClosedAfterSeconds: 60,
      metrics: undefined,
      upstream: undefined,
      logLevel: 'info',
    });
  });

  test('a bare host keeps no slash, a path stays as it is', () => {
    const config = readConfig({
      PORTCULLIS_ISSUER: 'https://login.example.com',
      PORTCULLIS_MCP_URL: 'https://mcp.example.com/a/b',
    });
    expect(config).toMatchObject({ issuer: 'https://login.example.com', mcpUrl: 'https://mcp.example.com/a/b' });
  });

  test('SP-11: a header with certificates needs a proxy that sets it, and its addresses', () => {
    const env = {
      PORTCULLIS_TRUST_PROXY: '1',
      PORTCULLIS_CLIENT_CERTIFICATE_HEADER: 'client-cert',
      PORTCULLIS_CLIENT_CERTIFICATE_PROXIES: '10.0.0.1',
      PORTCULLIS_MCP_PROOF_OF_POSSESSION: 'certificate',
    };
    expect(readConfig(env)).toMatchObject({
      proofOfPossession: 'certificate',
      certificateProxy: { header: 'client-cert', proxies: ['10.0.0.1'] },
    });
    expect(() => readConfig({ ...env, PORTCULLIS_TRUST_PROXY: '0' })).toThrow(/TRUST_PROXY/);
    expect(() => readConfig({ ...env, PORTCULLIS_CLIENT_CERTIFICATE_PROXIES: '' })).toThrow(/addresses/);
    expect(() => readConfig({ PORTCULLIS_MCP_PROOF_OF_POSSESSION: 'certificate' })).toThrow(/CERTIFICATE_HEADER/);
  });

  test('every problem is told at once, and no value', () => {
    const read = () =>
      readConfig({
        PORTCULLIS_ISSUER: 'http://login.example.com',
        PORTCULLIS_MCP_URL: 'http://user:hunter2@localhost/mcp',
        PORTCULLIS_MCP_PORT: 'hunter2',
        PORTCULLIS_MCP_DATABASE_URL: 'mysql://root:hunter2@db/desk',
        PORTCULLIS_MCP_ALLOWED_ORIGINS: 'https://app.example.com/hunter2',
        LOG_LEVEL: 'hunter2',
      });
    const names = ['ISSUER', 'MCP_URL', 'MCP_PORT', 'MCP_DATABASE_URL', 'MCP_ALLOWED_ORIGINS'].map(
      (name) => `PORTCULLIS_${name}`,
    );
    let message = '';
    try {
      read();
    } catch (error) {
      message = String(error);
    }
    for (const name of [...names, 'LOG_LEVEL']) expect(message).toContain(name);
    expect(message).not.toContain('hunter2');
  });

  test('SP-30 limits that would protect nothing are refused', () => {
    const points = { PORTCULLIS_MCP_USER_POINTS_PER_MINUTE: '50', PORTCULLIS_MCP_CLIENT_POINTS_PER_MINUTE: '60' };
    expect(readConfig(points).limits).toMatchObject({
      user: { pointsPerMinute: 50, pointsPerDay: 100_000 },
      client: { pointsPerMinute: 60 },
      toolTimeoutMs: 20_000,
    });
    const refused: [string, string][] = [
      ['USER_POINTS_PER_MINUTE', '0'],
      ['USER_POINTS_PER_DAY', '599'],
      ['CLIENT_POINTS_PER_MINUTE', '599'],
      ['CLIENT_POINTS_PER_DAY', '99999'],
      ['TOOL_CALLS_PER_MINUTE', '0'],
      ['USER_CALLS_AT_ONCE', '0'],
      ['CALLS_AT_ONCE', '15'],
      ['TOOL_TIMEOUT', '0'],
      ['TOOL_TIMEOUT', '301'],
      ['RESULT_SIZE', '0'],
      ['RESULT_SIZE', '4194305'],
    ];
    for (const [name, value] of refused) {
      expect(() => readConfig({ [`PORTCULLIS_MCP_${name}`]: value })).toThrow(`PORTCULLIS_MCP_${name}`);
    }
  });

  test('the database URL can come from a file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'portcullis-config-')), 'url');
    writeFileSync(file, 'postgresql://desk:secret@127.0.0.1/desk\n');
    const { databaseUrl } = readConfig({ PORTCULLIS_MCP_DATABASE_URL_FILE: file });
    expect(databaseUrl?.reveal()).toBe('postgresql://desk:secret@127.0.0.1/desk');
    expect(JSON.stringify({ databaseUrl })).not.toContain('secret@');
  });
});
