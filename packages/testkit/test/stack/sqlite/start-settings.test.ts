import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { findFreePort } from '../../../src/index.ts';
import { expectOneLine, failStart } from '../support/failed-start.ts';
import { AUTHORIZATION_SERVER, MCP_SERVER } from '../support/replica.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-start-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

// Nothing here comes as far as a database that differs.
describe('a start that cannot work ends with 1 and says why', () => {
  let taken: Server;
  let port: number;

  beforeAll(async () => {
    port = await findFreePort();
    taken = createServer().listen(port, '127.0.0.1');
  });
  afterAll(() => {
    taken?.close();
  });

  test('the port of the authorization server is taken', async () => {
    const end = await failStart(AUTHORIZATION_SERVER, { PORTCULLIS_DATA_DIR: folder, PORTCULLIS_PORT: String(port) });
    expectOneLine(end, new RegExp(`Port ${port}.*PORTCULLIS_PORT`));
  });

  test('the port of the MCP server is taken', async () => {
    const end = await failStart(MCP_SERVER, { PORTCULLIS_DATA_DIR: folder, PORTCULLIS_MCP_PORT: String(port) });
    expectOneLine(end, new RegExp(`Port ${port}.*PORTCULLIS_MCP_PORT`));
  });

  test.each([
    ['authorization server', AUTHORIZATION_SERVER],
    ['MCP server', MCP_SERVER],
  ])('SP-6: the issuer is http on a public host (%s)', async (_name, program) => {
    const end = await failStart(program, {
      PORTCULLIS_DATA_DIR: folder,
      PORTCULLIS_ISSUER: 'http://login.example.com',
      PORTCULLIS_MASTER_KEY: randomBytes(32).toString('base64url'),
    });
    expectOneLine(end, /PORTCULLIS_ISSUER .*https/);
  });

  test('a public issuer has no master key of its own making', async () => {
    const end = await failStart(AUTHORIZATION_SERVER, {
      PORTCULLIS_DATA_DIR: folder,
      PORTCULLIS_ISSUER: 'https://login.example.com',
    });
    expectOneLine(end, /PORTCULLIS_MASTER_KEY/);
  });

  test('all bad variables are listed at once, and no value is printed', async () => {
    const values = {
      PORTCULLIS_ISSUER: 'http://value-one.example',
      PORTCULLIS_PORT: 'value-two',
      PORTCULLIS_ACCESS_TOKEN_TTL: '86400777',
      PORTCULLIS_TRUST_PROXY: 'value-three',
      DATABASE_URL: 'mysql://value-four:value-five@host/db',
      PORTCULLIS_ADMIN_PASSWORD: 'value-six',
      LOG_LEVEL: 'value-seven',
    };
    const { code, lines, output } = await failStart(AUTHORIZATION_SERVER, { PORTCULLIS_DATA_DIR: folder, ...values });
    expect(code).toBe(1);
    for (const name of Object.keys(values)) expect(lines.filter((line) => line.includes(name))).not.toEqual([]);
    expect(output).not.toMatch(/value-|86400777/);
    const mcp = await failStart(MCP_SERVER, {
      PORTCULLIS_DATA_DIR: folder,
      PORTCULLIS_MCP_URL: 'value-one',
      PORTCULLIS_MCP_PORT: '99999888',
      PORTCULLIS_MCP_DATABASE_URL: 'mysql://value-four:value-five@host/db',
      LOG_LEVEL: 'value-seven',
    });
    expect(mcp.code).toBe(1);
    expect(mcp.lines).toHaveLength(4);
    expect(mcp.output).not.toMatch(/value-|99999888/);
  });

  test.each([
    ['authorization server', AUTHORIZATION_SERVER, 'DATABASE_URL'],
    ['MCP server', MCP_SERVER, 'PORTCULLIS_MCP_DATABASE_URL'],
  ])('the database cannot be reached (%s), and its password is not printed', async (_name, program, variable) => {
    const unused = await findFreePort();
    const url = `postgresql://portcullis:hush-hush@127.0.0.1:${unused}/portcullis`;
    const end = await failStart(program, { PORTCULLIS_DATA_DIR: folder, [variable]: url });
    expectOneLine(end, new RegExp(variable));
    expect(end.output).not.toContain('hush-hush');
  });

  test.each([
    ['authorization server', AUTHORIZATION_SERVER],
    ['MCP server', MCP_SERVER],
  ])('the data folder is a file (%s)', async (_name, program) => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    expectOneLine(await failStart(program, { PORTCULLIS_DATA_DIR: file }), /PORTCULLIS_DATA_DIR/);
  });

  test('a configuration file that is broken is said to be, without its content', async () => {
    const file = join(folder, 'config.json');
    for (const text of ['{ "secret-words": ', '{ "secretWords": 1 }', '{ "roles": { "boss": ["*"] } }', '[]']) {
      await writeFile(file, text);
      const end = await failStart(AUTHORIZATION_SERVER, { PORTCULLIS_DATA_DIR: folder, PORTCULLIS_CONFIG: file });
      expectOneLine(end, /onfiguration file/);
    }
  });
});
