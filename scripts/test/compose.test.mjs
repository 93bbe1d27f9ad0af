import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { inRoot } from '../prepare/root.mjs';

const compose = parse(readFileSync(inRoot('docker-compose.yml'), 'utf8'), { merge: true });
const services = Object.entries(compose.services);
const LATER = ['analytics-password', 'mcp-analytics-database-url', 'mcp-client-secret'];
const servers = { 'authorization-server': 'authorization-server', 'mcp-server': 'mcp-server' };
/** What Node.js itself reads. */
const OF_NODE = ['NODE_EXTRA_CA_CERTS'];

describe('docker-compose.yml', () => {
  test.each(services)('SP-42: %s runs with what it needs and no more', (_, service) => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toContain('no-new-privileges:true');
    expect(service.healthcheck.test[0]).toBe('CMD');
  });

  test('ports are published on loopback only, but for those of the TLS proxy', () => {
    const { proxy, ...others } = compose.services;
    const ports = Object.values(others).flatMap((service) => service.ports ?? []);
    expect(ports).toHaveLength(2);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(proxy.ports).toEqual(['80:80', '443:443', '443:443/udp']);
  });

  test('the proxy is given no secret, and cannot reach the database', () => {
    expect(compose.services.proxy.secrets).toBeUndefined();
    expect(Object.keys(compose.services.proxy.networks)).toEqual(['outside']);
    expect(compose.services.postgresql.networks).toEqual(['inside']);
    expect(compose.networks.inside.internal).toBe(true);
  });

  test('a server has the time that it takes to drain', () => {
    for (const name of Object.keys(servers)) {
      const { stop_grace_period: grace, environment } = compose.services[name];
      expect(Number.parseInt(grace, 10)).toBeGreaterThan(Number(environment.PORTCULLIS_DRAIN_SECONDS) + 10);
    }
  });

  test('the environment holds no secret, only the paths of files', () => {
    for (const [, service] of services) {
      for (const [name, value] of Object.entries(service.environment)) {
        if (!/PASSWORD|SECRET|MASTER_KEY|DATABASE_URL/.test(name)) continue;
        expect(name).toMatch(/_FILE$/);
        expect(service.secrets).toContain(basename(value));
      }
    }
  });

  test.each(Object.entries(servers))('%s is given only variables that it reads', (name, app) => {
    const source = readFileSync(inRoot('apps', app, 'src', 'config.ts'), 'utf8');
    const given = Object.keys(compose.services[name].environment).filter((variable) => !OF_NODE.includes(variable));
    for (const variable of given) {
      expect(source).toContain(`'${variable.replace(/_FILE$/, '')}'`);
    }
  });

  test('both servers count the same proxies, so that both know the address of a caller', () => {
    const counted = Object.keys(servers).map((name) => compose.services[name].environment.PORTCULLIS_TRUST_PROXY);
    expect(counted).toEqual([expect.any(String), counted[0]]);
  });

  test('the MCP server is given none of the authorization server’s secrets', () => {
    const its = ['mcp-database-url', 'mcp-analytics-database-url'];
    expect(compose.services['mcp-server'].secrets).toEqual([...its, 'mcp-client-secret']);
    for (const secret of its) expect(compose.services['authorization-server'].secrets).not.toContain(secret);
  });
});

describe('the secrets', () => {
  const parent = mkdtempSync(join(tmpdir(), 'portcullis-secrets-'));
  const folder = join(parent, 'secrets');
  const create = () => spawnSync(process.execPath, [inRoot('docker', 'create-secrets.mjs'), folder]).status;
  const contents = () =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  beforeAll(() => expect(create()).toBe(0));
  afterAll(() => rmSync(parent, { recursive: true }));

  test('are those that the compose file names, in a folder of their owner alone', () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(compose.secrets).sort());
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('are never overwritten', () => {
    const before = readFileSync(join(folder, 'master-key'), 'utf8');
    expect(create()).toBe(1);
    expect(readFileSync(join(folder, 'master-key'), 'utf8')).toBe(before);
  });

  test('that came with a later version are added to an older folder, and no other is touched', () => {
    const before = contents();
    for (const name of LATER) rmSync(join(folder, name));
    expect(create()).toBe(0);
    const { 'analytics-password': password, ...after } = contents();
    expect(Object.keys(contents())).toEqual(Object.keys(before));
    for (const name of Object.keys(before).filter((each) => !LATER.includes(each))) {
      expect(after[name]).toBe(before[name]);
    }
    expect(after['mcp-analytics-database-url']).toContain(`:${password}@`);
    rmSync(join(folder, 'mcp-analytics-database-url'));
    expect(create()).toBe(0);
    expect(contents()).toEqual({ ...after, 'analytics-password': password });
  });

  test('that were lost are not made anew: they would not fit the database', () => {
    const lost = join(folder, 'master-key');
    const kept = readFileSync(lost);
    rmSync(lost);
    expect(create()).toBe(1);
    expect(contents()).not.toHaveProperty('master-key');
    writeFileSync(lost, kept);
  });

  test('hold a master key of 32 bytes', () => {
    expect(Buffer.from(readFileSync(join(folder, 'master-key'), 'utf8'), 'base64url')).toHaveLength(32);
  });
});
