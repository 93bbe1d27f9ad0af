import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { inRoot } from '../prepare/root.mjs';
import { run } from '../prepare/step.mjs';

const FOLDER = inRoot('deploy', 'kubernetes');
/** As kubectl reads it: 0440 is a number in octal digits. */
const read = (file) => parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8'), { version: '1.1', merge: true });
const files = readdirSync(FOLDER).filter((name) => name !== 'kustomization.yaml');
const objects = files.flatMap((file) => read(file).map((document) => ({ file, object: document.toJS() })));
const named = objects.map(({ file, object }) => [`${file}: ${object.kind} ${object.metadata.name}`, object]);
const ofKind = (kind) => objects.map(({ object }) => object).filter((object) => object.kind === kind);
const servers = ofKind('StatefulSet').map((server) => [server.metadata.name, server]);
const pod = (server) => server.spec.template.spec;

/** Where the published API has the type of an object. */
const moduleOf = ({ apiVersion }) => `kubernetes-models/${apiVersion}`;

describe('the manifests', () => {
  test.each(named)('%s is what the published API of Kubernetes takes', async (_, object) => {
    const { [object.kind]: Model } = await import(moduleOf(object));
    expect(() => new Model(object).validate()).not.toThrow();
  });

  // The schema lets members through that it does not know; TypeScript names them.
  test('have no member that the API does not know', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-manifests-'));
    symlinkSync(inRoot('node_modules'), join(folder, 'node_modules'));
    const typed = objects.map(({ object }, index) => {
      const type = `import('${moduleOf(object)}').I${object.kind}`;
      return `export const object${index}: ${type} = ${JSON.stringify(object, null, 1)};`;
    });
    const compilerOptions = { noEmit: true, strict: true, skipLibCheck: true, types: [], module: 'nodenext' };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifests.ts'] }));
    const check = (text) => {
      writeFileSync(join(folder, 'manifests.ts'), text);
      return run(process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '--project', folder]);
    };
    try {
      expect(await check(typed.join('\n'))).toEqual({ ok: true, output: '' });
      const misspelt = await check(typed.join('\n').replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem'));
      expect(misspelt.output).toContain('readOnlyRootFileSystem');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('are all named in the kustomization, in the order in which they can be made', () => {
    const { resources } = parse(readFileSync(join(FOLDER, 'kustomization.yaml'), 'utf8'));
    expect(resources.toSorted()).toEqual(files.toSorted());
    expect(resources[0]).toBe('namespace.yaml');
  });

  test('hold no secret', () => {
    expect(ofKind('Secret')).toEqual([]);
    for (const [, server] of servers) {
      for (const { name, value } of pod(server).containers[0].env) {
        if (/SECRET|KEY|PASSWORD|DATABASE_URL/.test(name))
          expect([name, value]).toEqual([expect.stringMatching(/_FILE$/), expect.stringMatching(/^\/secrets\//)]);
      }
    }
  });
});

describe.each(servers)('%s', (name, server) => {
  const {
    containers: [container],
    ...rest
  } = pod(server);
  const settings = ofKind('ConfigMap')[0].data;

  test('runs with what it needs and no more', () => {
    expect(server.spec.replicas).toBe(2);
    expect(rest.automountServiceAccountToken).toBe(false);
    expect(rest.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.resources).toMatchObject({
      requests: { memory: expect.any(String) },
      limits: { memory: expect.any(String) },
    });
    for (const volume of rest.volumes) if (volume.secret) expect(volume.secret.defaultMode).toBe(0o440);
  });

  test('is asked for its health, gets its time to go, and never goes as a whole', () => {
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' });
    for (const probe of ['startupProbe', 'livenessProbe'])
      expect(container[probe].httpGet).toEqual({ path: '/healthz', port: 'http' });
    const CLOSING_SECONDS = 10;
    const drain = Number(settings.PORTCULLIS_DRAIN_SECONDS);
    expect(drain).toBeGreaterThan(2 * container.readinessProbe.periodSeconds);
    expect(rest.terminationGracePeriodSeconds).toBeGreaterThan(drain + CLOSING_SECONDS);
    const budget = ofKind('PodDisruptionBudget').find(({ metadata }) => metadata.name === name);
    expect(budget.spec).toMatchObject({ minAvailable: 1, selector: server.spec.selector });
  });

  test('is given only variables that it reads', () => {
    const source = readFileSync(inRoot('apps', name, 'src', 'config.ts'), 'utf8');
    for (const { name: variable } of container.env) expect(source).toContain(`'${variable.replace(/_FILE$/, '')}'`);
    for (const variable of Object.keys(settings)) expect(source).toContain(`'${variable}'`);
  });

  test('is where its service and the ingress look for it', () => {
    const service = ofKind('Service').find(({ metadata }) => metadata.name === name);
    const { labels } = server.spec.template.metadata;
    expect(labels).toMatchObject(service.spec.selector);
    expect(container.ports.map((port) => port.name)).toContain(service.spec.ports[0].targetPort);
    const { rules, tls } = ofKind('Ingress')[0].spec;
    const rule = rules.find(({ http }) => http.paths[0].backend.service.name === name);
    const url = new URL(name === 'mcp-server' ? settings.PORTCULLIS_MCP_URL : settings.PORTCULLIS_ISSUER);
    expect(rule.host).toBe(url.host);
    expect(tls[0].hosts).toContain(url.host);
  });
});

describe('who may talk to whom', () => {
  const policies = ofKind('NetworkPolicy');
  const matches = (selector, labels) =>
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  const of = (direction, name) => {
    const { labels } = servers.find(([each]) => each === name)[1].spec.template.metadata;
    return policies
      .filter(({ spec }) => matches(spec.podSelector, labels))
      .flatMap(({ spec }) => spec[direction] ?? []);
  };

  test('nobody with anybody, to begin with', () => {
    expect(policies[0].spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  });

  test.each(servers)('only the ingress reaches %s', (name) => {
    expect(of('ingress', name)).toEqual([
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }],
        ports: [{ port: 'http' }],
      },
    ]);
  });

  test('the MCP server reaches no public address, and the authorization server no private one', () => {
    const blocks = (name) => of('egress', name).flatMap(({ to }) => to.flatMap(({ ipBlock }) => ipBlock ?? []));
    expect(blocks('mcp-server').map(({ cidr }) => cidr)).toEqual(['192.0.2.10/32']);
    const [, internet] = blocks('authorization-server');
    expect(internet.except).toEqual(expect.arrayContaining(['10.0.0.0/8', '169.254.0.0/16', '192.168.0.0/16']));
  });
});

describe('the secrets', () => {
  const guide = readFileSync(inRoot('docs', 'production.md'), 'utf8');

  test.each(servers)('of %s are those that the guide makes', (name, server) => {
    const [, command = ''] =
      new RegExp(`create secret generic ${name} ([^\`]*?)(?:\n\n|\n\`|kubectl)`).exec(guide) ?? [];
    const made = [...command.matchAll(/--from-file=\S*?([\w-]+)(?=\s|$)/g)].map(([, file]) => file);
    const read = pod(server)
      .containers[0].env.map(({ value }) => value)
      .filter((value) => value.startsWith('/secrets/'));
    expect(made.toSorted()).toEqual(read.map((path) => basename(path)).toSorted());
  });
});
