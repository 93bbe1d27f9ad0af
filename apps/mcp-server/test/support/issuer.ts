import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ReportedAuditRecord } from '@portcullis/platform';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

type Report = { resource: string; authorization: string | undefined; records: ReportedAuditRecord[] };

/** An authorization server that has nothing but keys. */
export type TestIssuer = {
  url: string;
  /** Signs an access token for `audience`; `claims` come on top of what RFC 9068 asks for, `undefined` takes one away. */
  token(audience: string, claims?: JWTPayload): Promise<string>;
  /** The audit records that were sent to it, as often as they were sent. */
  reports: Report[];
  /** How it answers those who send some; 200 to begin with. It keeps them all the same. */
  answerReports(status: number | ((report: Report) => number)): void;
  close(): Promise<void>;
};

/** Starts an issuer on a free loopback port. */
export async function startIssuer(): Promise<TestIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
  const reports: TestIssuer['reports'] = [];
  let statusOf: (report: Report) => number = () => 200;
  const server = createServer(async (request, response) => {
    if (request.url === '/internal/audit') {
      const { resource, records } = JSON.parse(await text(request));
      const report = { resource, authorization: request.headers.authorization, records };
      reports.push(report);
      response.writeHead(statusOf(report), { 'content-type': 'application/json' });
      response.end(JSON.stringify({ stored: records.length, refused: [] }));
      return;
    }
    const documents: Record<string, unknown> = {
      '/.well-known/oauth-authorization-server': { issuer: url, jwks_uri: `${url}/jwks` },
      '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/jwks` },
      '/jwks': keys,
    };
    const document = documents[request.url ?? ''];
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    reports,
    answerReports(status) {
      statusOf = typeof status === 'number' ? () => status : status;
    },
    token(audience, claims = {}) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const base = { iss: url, aud: audience, sub: 'user-1', client_id: 'client-1', jti: randomUUID(), gid: 'grant-1' };
      const times = { iat: nowSeconds, exp: nowSeconds + 300 };
      const header = { alg: 'ES256', typ: 'at+jwt', kid: 'one' };
      return new SignJWT({ ...base, ...times, scope: 'desk:read', ...claims })
        .setProtectedHeader(header)
        .sign(privateKey);
    },
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
