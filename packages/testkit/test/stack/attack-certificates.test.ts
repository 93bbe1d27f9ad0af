import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClientStore } from '@portcullis/persistence';
import { createTestDatabase } from '@portcullis/test-database';
import { createCertificateAuthority } from '../../src/certificate-authority.ts';
import type { JsonAnswer, RawRequest, Stack } from '../../src/index.ts';
import { createHttpPerson, readToken, requestToken, sendRaw, startStack } from '../../src/index.ts';
import { type AlternativeName, makeCertificate, type NamePart } from '../../src/x509.ts';
import { adminTokens } from './support/administration.ts';
import { codeExchange, obtainCode, type Target, type TestClient, targetOf, tokensOf } from './support/authorization.ts';
import { type CommandLine, createCommandLine } from './support/command-line.ts';
import { startInProcess } from './support/in-process.ts';
import { postMcp } from './support/mcp-message.ts';
import { OWNER_ENV } from './support/owner.ts';

const VAULT = 'https://vault.example/mcp';
const HEADER = 'client-cert';
/** Where the proxy connects from; whoever comes from elsewhere is past it. */
const PROXY = '127.0.0.1';
const PAST_THE_PROXY = '127.0.0.2';
const IMPORTER: readonly NamePart[] = [
  ['O', 'Example, Inc.'],
  ['CN', 'importer'],
];

/** The same as RFC 4514 writes it. */
const SUBJECT = 'CN=importer,O=Example\\, Inc.';

const authority = createCertificateAuthority('Clients');
const impostor = createCertificateAuthority('Clients');
const certificate = authority.issue({ subject: IMPORTER }).certificate;
const other = authority.issue({ subject: [['CN', 'somebody else']] }).certificate;

let folder: string;
let stack: Stack;
let target: Target;
let admin: CommandLine;
let importer: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-certificates-'));
  const authorities = join(folder, 'authorities.pem');
  await writeFile(authorities, authority.certificate);
  const configuration = join(folder, 'portcullis.config.json');
  const scopes = { 'vault:read': { description: 'Read the vault' } };
  const vault = { name: 'Vault', scopes, defaultScopes: ['vault:read'], proofOfPossession: 'certificate' };
  await writeFile(configuration, JSON.stringify({ resources: { [VAULT]: vault } }));
  stack = await startStack({
    neverBehindProxy:
      'These tests are the proxy: they say which certificate a client has shown, as none behind one can.',
    env: {
      PORTCULLIS_TRUST_PROXY: '1',
      PORTCULLIS_CLIENT_CERTIFICATE_HEADER: HEADER,
      PORTCULLIS_CLIENT_CERTIFICATE_PROXIES: PROXY,
    },
    authorizationServer: {
      ...OWNER_ENV,
      PORTCULLIS_CLIENT_CERTIFICATE_AUTHORITIES: authorities,
      PORTCULLIS_CONFIG: configuration,
    },
  });
  target = await targetOf(stack);
  admin = createCommandLine();
  admin.signIn(stack.issuer, await adminTokens(target));
  importer = await registered('--tls-subject', 'CN=importer, O=Example\\, Inc.');
});
afterAll(async () => {
  admin?.remove();
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Registers a machine for the desk with the command line. */
async function registered(...options: string[]): Promise<string> {
  const limits = options.includes('--resource') ? [] : ['--resource', target.mcpUrl];
  const end = await admin.run([
    'clients',
    'register',
    '--name',
    'Machine',
    '--machine',
    ...limits,
    ...options,
    '--json',
  ]);
  if (end.code !== 0) throw new Error(end.err);
  return JSON.parse(end.out).client.id;
}

const base64 = (pem: string) => new X509Certificate(pem).raw.toString('base64');
const byteSequence = (pem: string) => `:${base64(pem)}:`;
const thumbprint = (pem: string) =>
  Buffer.from(new X509Certificate(pem).fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');

/** What the proxy sends on for a client with this certificate. */
const shown = (pem: string): Pick<RawRequest, 'headers' | 'fromAddress'> => ({
  headers: { [HEADER]: byteSequence(pem) },
  fromAddress: PROXY,
});

function asMachine(
  id: string,
  raw: Pick<RawRequest, 'headers' | 'fromAddress'>,
  changes: Record<string, string> = {},
): Promise<JsonAnswer> {
  const params = { grant_type: 'client_credentials', client_id: id, resource: target.mcpUrl, ...changes };
  return requestToken(target.server, params, raw);
}

/** A certificate that nobody but its own key vouches for. */
function selfIssued(subject: readonly NamePart[]): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return makeCertificate({ subject, issuer: subject, publicKey, issuerKey: privateKey });
}

async function expectUnauthenticated(id: string, raw: Pick<RawRequest, 'headers' | 'fromAddress'>) {
  const answer = await asMachine(id, raw);
  expect([answer.status, answer.json?.error]).toEqual([401, 'invalid_client']);
}

test('RFC 8705 sections 2.1 and 3.3: the metadata says what is supported', async () => {
  const { text } = await sendRaw(`${target.server.issuer}/.well-known/oauth-authorization-server`);
  const metadata = JSON.parse(text);
  expect(metadata.tls_client_certificate_bound_access_tokens).toBe(true);
  expect(metadata.token_endpoint_auth_methods_supported).toContain('tls_client_auth');
  expect(metadata.token_endpoint_auth_methods_supported).not.toContain('self_signed_tls_client_auth');
});

describe('SP-11, RFC 8705 section 2.1: a machine that authenticates with its certificate', () => {
  test('gets a token that is bound to it, in either form of the header', async () => {
    for (const value of [byteSequence(certificate), encodeURIComponent(certificate)]) {
      const answer = await asMachine(importer, { headers: { [HEADER]: value } });
      expect(readToken(tokensOf(answer).access).claims).toMatchObject({
        sub: importer,
        cnf: { 'x5t#S256': thumbprint(certificate) },
      });
    }
  });

  test('is shown to administrators with what it proves', async () => {
    const { out } = await admin.run(['clients', 'show', importer]);
    expect(out).toMatch(/certificate of +CN=importer,O=Example\\, Inc\./);
    expect(out).toMatch(/tokens bound to +certificate/);
  });

  test('is refused without a certificate', () => expectUnauthenticated(importer, {}));

  test.each<[string, () => string]>([
    ['of another subject', () => other],
    ['of its authority’s namesake', () => impostor.issue({ subject: IMPORTER }).certificate],
    ['that it signed itself', () => selfIssued(IMPORTER)],
    ['with more in its subject', () => authority.issue({ subject: [['C', 'CH'], ...IMPORTER] }).certificate],
    ['with less', () => authority.issue({ subject: [['CN', 'importer']] }).certificate],
    [
      'that has the whole name in one part',
      () => authority.issue({ subject: [['CN', 'importer,O=Example\\, Inc.']] }).certificate,
    ],
    [
      'that has a line in its name',
      () =>
        authority.issue({
          subject: [
            ['O', 'Example, Inc.\nCN=importer'],
            ['CN', 'importer'],
          ],
        }).certificate,
    ],
    [
      'that has expired',
      () => authority.issue({ subject: IMPORTER, validTo: new Date(Date.now() - 1000) }).certificate,
    ],
    [
      'that is not valid yet',
      () => authority.issue({ subject: IMPORTER, validFrom: new Date(Date.now() + 60_000) }).certificate,
    ],
    ['for servers', () => authority.issue({ subject: IMPORTER, purposes: ['server'] }).certificate],
    ['of the authority itself', () => authority.certificate],
  ])('is refused with a certificate %s', async (_what, make) => {
    // Twenty failures would lock one client out.
    const id = await registered('--tls-subject', SUBJECT);
    await expectUnauthenticated(id, shown(make()));
    expect((await asMachine(id, shown(certificate))).status).toBe(200);
  });

  test('is refused with the header of a client that came past the proxy', () =>
    expectUnauthenticated(importer, { ...shown(certificate), fromAddress: PAST_THE_PROXY }));

  test('is refused with two headers, one of them the client’s own', async () => {
    for (const values of [
      [byteSequence(certificate), byteSequence(other)],
      [byteSequence(other), byteSequence(certificate)],
    ])
      await expectUnauthenticated(importer, { headers: { [HEADER]: values } });
    await expectUnauthenticated(importer, {
      headers: { [HEADER]: `${byteSequence(certificate)}, ${byteSequence(other)}` },
    });
  });

  test('is refused with the header under other names', async () => {
    for (const name of ['x-client-cert', 'x-forwarded-client-cert', 'ssl-client-cert', 'client_cert'])
      await expectUnauthenticated(importer, { headers: { [name]: byteSequence(certificate) } });
  });

  test('is refused with a secret or in another client’s name', async () => {
    const withSecret = await asMachine(importer, shown(certificate), { client_secret: 'guessed' });
    expect(withSecret.json?.error).toBe('invalid_client');
    const another = await registered('--tls-subject', 'CN=another');
    await expectUnauthenticated(another, shown(certificate));
  });

  const names: Record<'its own' | 'a tricky', readonly AlternativeName[]> = {
    'its own': [
      ['dns', 'importer.example'],
      ['dns', '*.wild.example'],
      ['uri', 'spiffe://example/importer'],
      ['ip', '192.0.2.7'],
      ['email', 'importer@example.com'],
    ],
    'a tricky': [['dns', 'x, URI:spiffe://example/importer, y']],
  };

  test.each<[string, keyof typeof names, boolean]>([
    ['dns:importer.example', 'its own', true],
    ['uri:spiffe://example/importer', 'its own', true],
    ['ip:192.0.2.7', 'its own', true],
    ['email:importer@example.com', 'its own', true],
    ['dns:other.example', 'its own', false],
    ['dns:a.wild.example', 'its own', false],
    ['dns:importer', 'its own', false],
    ['uri:spiffe://example', 'its own', false],
    ['uri:spiffe://example/importer', 'a tricky', false],
    ['ip:192.0.2.8', 'its own', false],
    ['email:other@example.com', 'its own', false],
  ])('known by another name, %s, it shows %s certificate: %s', async (name, which, passes) => {
    const id = await registered('--tls-san', name);
    const named = authority.issue({ subject: [['CN', 'importer']], alternativeNames: names[which] }).certificate;
    expect((await asMachine(id, shown(named))).status).toBe(passes ? 200 : 401);
  });
});

describe('SP-11, RFC 8705 section 3: tokens that are bound to a certificate', () => {
  test('a client with another way to authenticate needs any certificate, also one of its own making', async () => {
    const end = await admin.run([
      ...['clients', 'register', '--name', 'Bound', '--machine', '--resource', target.mcpUrl],
      ...['--auth', 'client_secret_post', '--proof-of-possession', 'certificate', '--json'],
    ]);
    const { client, clientSecret } = JSON.parse(end.out);
    const secret = { client_secret: String(clientSecret) };
    const without = await asMachine(client.id, {}, secret);
    expect([without.status, without.json?.error]).toEqual([400, 'invalid_grant']);
    const own = selfIssued([['CN', 'anything']]);
    const { access } = tokensOf(await asMachine(client.id, shown(own), secret));
    expect(readToken(access).claims.cnf).toEqual({ 'x5t#S256': thumbprint(own) });
  });

  test('a public client’s refresh token is bound with them, and waits for its owner', async () => {
    const end = await admin.run([
      ...['clients', 'register', '--name', 'Public', '--redirect-uri', 'http://127.0.0.1/callback'],
      ...['--proof-of-possession', 'certificate', '--json'],
    ]);
    const client: TestClient = {
      id: JSON.parse(end.out).client.id,
      secret: undefined,
      redirectUri: 'http://127.0.0.1:9/callback',
    };
    const exchange = codeExchange(target, client, await obtainCode(target, client, { person: createHttpPerson() }));
    expect((await requestToken(target.server, exchange)).json?.error).toBe('invalid_grant');
    const { refresh } = tokensOf(await requestToken(target.server, exchange, shown(certificate)));
    const refreshing = { grant_type: 'refresh_token', refresh_token: refresh, client_id: client.id };
    for (const raw of [{}, shown(other), { ...shown(certificate), fromAddress: PAST_THE_PROXY }])
      expect((await requestToken(target.server, refreshing, raw)).json?.error).toBe('invalid_grant');
    const { access } = tokensOf(await requestToken(target.server, refreshing, shown(certificate)));
    expect(readToken(access).claims.cnf).toEqual({ 'x5t#S256': thumbprint(certificate) });
  });

  test('a resource that demands them gets no others, and says what to do', async () => {
    const unbound = await admin.run([
      ...['clients', 'register', '--name', 'Unbound', '--machine', '--resource', VAULT],
      ...['--auth', 'client_secret_post', '--json'],
    ]);
    const { client, clientSecret } = JSON.parse(unbound.out);
    const changes = { client_secret: String(clientSecret), resource: VAULT };
    const refused = await asMachine(client.id, shown(certificate), changes);
    expect([refused.status, refused.json?.error]).toEqual([400, 'invalid_request']);
    expect(refused.json?.error_description).toContain('bound to a certificate');
    const bound = await registered('--tls-subject', SUBJECT, '--resource', VAULT);
    tokensOf(await asMachine(bound, shown(certificate), { resource: VAULT }));
  });

  test('at the MCP server only a connection with the certificate can use them', async () => {
    const { access: token } = tokensOf(await asMachine(importer, shown(certificate)));
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami', arguments: {} } };
    const answer = await postMcp(target.mcpUrl, { token, body: JSON.stringify(call), ...shown(certificate) });
    expect(answer.result?.structuredContent).toMatchObject({ client: importer, boundTo: ['certificate'] });
    for (const raw of [
      {},
      shown(other),
      { ...shown(certificate), fromAddress: PAST_THE_PROXY },
      { headers: { [HEADER]: [byteSequence(certificate), byteSequence(other)] } },
    ])
      expect((await postMcp(target.mcpUrl, { token, body: JSON.stringify(call), ...raw })).status).toBe(401);
  });
});

describe('portcullis clients register', () => {
  test.each<[string, string[], number, RegExp]>([
    ['no name', ['--auth', 'tls_client_auth'], 1, /tls_client_auth needs the name in the certificate/],
    ['a name without its method', ['--auth', 'private_key_jwt', '--tls-subject', 'CN=a'], 1, /only tls_client_auth/],
    ['no distinguished name', ['--tls-subject', 'importer'], 1, /no distinguished name/],
    ['two names', ['--tls-subject', 'CN=a', '--tls-san', 'dns:a.example'], 2, /one name/],
    ['a name of no type', ['--tls-san', 'importer.example'], 2, /dns:, uri:, ip: or email:/],
    ['an unknown proof', ['--tls-subject', 'CN=a', '--proof-of-possession', 'hope'], 2, /dpop, certificate, none/],
    [
      'administration by certificate',
      ['--admin', '--scope', 'admin:users', '--tls-subject', 'CN=a', '--proof-of-possession', 'certificate'],
      1,
      /administration takes dpop, and no certificates/,
    ],
  ])('explains %s', async (_what, options, code, words) => {
    const command = ['clients', 'register', '--name', 'Wrong', '--machine', '--resource', target.mcpUrl, ...options];
    const end = await admin.run(command);
    expect(end.err + end.out).toMatch(words);
    expect(end.code).toBe(code);
  });

  test('takes a machine whose tokens are not bound, or bound with DPoP', async () => {
    const free = await registered('--tls-subject', SUBJECT, '--proof-of-possession', 'none');
    const { access } = tokensOf(await asMachine(free, shown(certificate)));
    expect(readToken(access).claims).not.toHaveProperty('cnf');
    const dpop = await registered('--tls-subject', SUBJECT, '--proof-of-possession', 'dpop');
    expect((await asMachine(dpop, shown(certificate))).json?.error).toBe('invalid_grant');
  });
});

describe('a server that is told of no proxy', () => {
  test('takes no certificates, and issues nothing to a client that was registered for them', async () => {
    const database = await createTestDatabase();
    const server = await startInProcess({ databaseUrl: database.url, env: OWNER_ENV });
    const line = createCommandLine();
    try {
      const alone = await targetOf(server);
      line.signIn(server.issuer, await adminTokens(alone));
      const base = ['clients', 'register', '--name', 'Machine', '--machine', '--resource', server.mcpUrl];
      const refused = await line.run([...base, '--tls-subject', 'CN=importer']);
      expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('CLIENT_CERTIFICATE_AUTHORITIES')]);
      const add = ['resources', 'add', 'https://notes.example/mcp', '--name', 'Notes', '--scope', 'notes:read=Read'];
      const unprovable = await line.run([...add, '--proof-of-possession', 'certificate']);
      expect([unprovable.code, unprovable.err]).toEqual([1, expect.stringContaining('CLIENT_CERTIFICATE_HEADER')]);
      const added = await line.run([...add, '--proof-of-possession', 'dpop']);
      expect([added.code, added.out]).toEqual([0, expect.stringMatching(/tokens bound to +dpop/)]);
      const secret = 'a secret of many random bits';
      const { client } = await createClientStore(server.database).register({
        metadata: {
          client_id: 'registered-before',
          token_endpoint_auth_method: 'client_secret_post',
          redirect_uris: [],
          grant_types: ['client_credentials'],
          response_types: [],
          tls_client_certificate_bound_access_tokens: true,
        },
        permissions: { firstParty: false, allowedResources: [server.mcpUrl] },
        registration: 'manual',
        secret,
        now: server.now(),
      });
      const answer = await requestToken(
        alone.server,
        {
          grant_type: 'client_credentials',
          client_id: client.id,
          client_secret: secret,
          resource: server.mcpUrl,
        },
        shown(certificate),
      );
      expect([answer.status, answer.json?.error]).toEqual([401, 'invalid_client']);
    } finally {
      line.remove();
      await server.close();
      await database.drop();
    }
  });
});
