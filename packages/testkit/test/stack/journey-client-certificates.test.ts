import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request as openRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createGuard } from '@portcullis/guard';
import { nodeGuard } from '@portcullis/guard/node';
import { createClientStore, openDatabase } from '@portcullis/persistence';
import { findFreePort } from '@portcullis/test-database';
import { readToken } from '../../src/attacker.ts';
import { createCertificateAuthority } from '../../src/certificate-authority.ts';
import { type Certificate, selfSignedCertificate } from '../../src/self-signed-certificate.ts';
import { type Stack, startStack } from '../../src/stack.ts';
import { startTlsProxy, type TlsProxy } from '../../src/tls-proxy.ts';
import { startTokenIssuer } from '../../src/token-issuer.ts';

const server = selfSignedCertificate(['localhost']);
const authority = createCertificateAuthority('Clients');
const importer = authority.issue({ subject: [['CN', 'importer']] });
const other = authority.issue({ subject: [['CN', 'somebody else']] });

const thumbprint = ({ certificate }: Certificate) =>
  createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');

type Sent = { as?: Certificate | undefined; headers?: Record<string, string>; body?: string };

/** Posts over a TLS connection of its own, on which the client shows a certificate or none. */
function post(url: string, { as, headers = {}, body = '' }: Sent): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = openRequest(url, {
      method: 'POST',
      ca: server.certificate,
      agent: false,
      headers: { 'content-length': Buffer.byteLength(body), ...headers },
      ...(as && { key: as.key, cert: as.certificate }),
    });
    request.on('error', reject);
    request.on('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    request.end(body);
  });
}

const whoami = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'whoami', arguments: {} },
});

function callWhoami(url: string, token: string, sent: Sent) {
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': '2025-11-25',
    ...sent.headers,
  };
  return post(url, { ...sent, headers, body: whoami });
}

describe('both servers behind a TLS proxy that passes client certificates', () => {
  let folder: string;
  let stack: Stack;
  let proxies: TlsProxy[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'portcullis-tls-'));
    const [trusted, authorities] = [join(folder, 'server.pem'), join(folder, 'clients.pem')];
    await writeFile(trusted, server.certificate);
    await writeFile(authorities, authority.certificate);
    const [port, mcpPort, backendPort, mcpBackendPort] = await Promise.all([1, 2, 3, 4].map(() => findFreePort()));
    if (!port || !mcpPort || !backendPort || !mcpBackendPort) throw new Error('no free ports');
    // The MCP server is ready when it has the issuer's keys, which it fetches through the proxy.
    proxies = [
      await startTlsProxy({ ...server, port, backendPort }),
      await startTlsProxy({ ...server, port: mcpPort, backendPort: mcpBackendPort }),
    ];
    stack = await startStack({
      mcpUrl: `https://localhost:${mcpPort}/mcp`,
      env: {
        PORTCULLIS_TRUST_PROXY: '1',
        PORTCULLIS_CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
        PORTCULLIS_CLIENT_CERTIFICATE_PROXIES: '127.0.0.1',
      },
      authorizationServer: {
        PORTCULLIS_ISSUER: `https://localhost:${port}`,
        PORTCULLIS_PORT: String(backendPort),
        PORTCULLIS_CLIENT_CERTIFICATE_AUTHORITIES: authorities,
      },
      mcpServer: {
        PORTCULLIS_ISSUER: `https://localhost:${port}`,
        PORTCULLIS_MCP_PORT: String(mcpBackendPort),
        NODE_EXTRA_CA_CERTS: trusted,
      },
    });
    const database = await openDatabase({ url: stack.databases.authorizationServer });
    await createClientStore(database).register({
      metadata: {
        client_id: 'importer',
        client_name: 'Importer',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_subject_dn: 'CN=importer',
        tls_client_certificate_bound_access_tokens: true,
        redirect_uris: [],
        grant_types: ['client_credentials'],
        response_types: [],
      },
      permissions: { firstParty: false, allowedResources: [stack.mcpUrl] },
      registration: 'manual',
      now: new Date(),
    });
    await database.close();
  });

  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await stack?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const askToken = (sent: Sent) =>
    post(`${stack.issuer}/token`, {
      ...sent,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...sent.headers },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: 'importer',
        resource: stack.mcpUrl,
      }).toString(),
    });

  /** The header as the proxy would write it. */
  const spoofed = { 'client-cert': `:${new X509Certificate(importer.certificate).raw.toString('base64')}:` };

  it('SP-11: a machine signs in and calls a tool with its certificate, and nobody else with its token', async () => {
    for (const sent of [{}, { as: other }, { headers: spoofed }, { as: other, headers: spoofed }])
      expect((await askToken(sent)).status).toBe(401);
    const { access_token: token } = JSON.parse((await askToken({ as: importer })).text);
    expect(readToken(token).claims.cnf).toEqual({ 'x5t#S256': thumbprint(importer) });

    const answer = await callWhoami(stack.mcpUrl, token, { as: importer });
    expect(answer.text).toContain('"boundTo":["certificate"]');
    expect(answer.status).toBe(200);
    for (const sent of [{}, { as: other }, { headers: spoofed }, { as: other, headers: spoofed }])
      expect((await callWhoami(stack.mcpUrl, token, sent)).status).toBe(401);
  });
});

describe('the guard in a Node.js server that terminates TLS itself', () => {
  it('SP-11: takes the certificate of the connection, and of nothing else', async () => {
    const issuer = await startTokenIssuer();
    const port = await findFreePort();
    const resource = `https://localhost:${port}/mcp`;
    const authenticate = nodeGuard(
      createGuard({ issuer: issuer.issuer, resource, scopes: { supported: [], baseline: [] } }),
    );
    const https = createServer(
      { key: server.key, cert: server.certificate, requestCert: true, rejectUnauthorized: false },
      async (request, response) => {
        const principal = await authenticate(request, response);
        if (principal) response.end(principal.boundTo?.certificate);
      },
    );
    await new Promise<void>((resolve) => https.listen(port, '127.0.0.1', resolve));
    try {
      const token = await issuer.mint(resource, { cnf: { 'x5t#S256': thumbprint(importer) } });
      expect(await callWhoami(resource, token, { as: importer })).toEqual({ status: 200, text: thumbprint(importer) });
      const header = `:${new X509Certificate(importer.certificate).raw.toString('base64')}:`;
      for (const sent of [{}, { as: other }, { headers: { 'client-cert': header } }])
        expect((await callWhoami(resource, token, sent)).status).toBe(401);
    } finally {
      https.closeAllConnections();
      await new Promise((resolve) => https.close(resolve));
      await issuer.close();
    }
  });
});
