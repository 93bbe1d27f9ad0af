import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** The time at which test tokens are fresh. */
export const NOON = new Date('2026-11-20T12:00:00Z');
export const RESOURCE = 'https://mcp.example.com/mcp';

export type Overrides = {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
  at?: Date;
};

/** Sees each request first; true means that it answered. */
export type Interference = (request: IncomingMessage, response: ServerResponse) => boolean;

/** An authorization server as far as a resource server sees it: metadata, keys, signed tokens. */
export type TestIssuer = {
  url: string;
  /** How often the key set was asked for. */
  keyFetches(): number;
  /** Signs a good access token for `RESOURCE`; a claim or header member of undefined is left out. */
  sign(overrides?: Overrides): Promise<string>;
  /** Publishes a new key and signs with it from now on; the old one is no longer published. */
  rotate(kid: string): Promise<void>;
  /** Lets `answer` see each request first, in place of an earlier one. */
  interfere(answer: Interference): void;
  publicJwk(): Promise<JWK>;
  close(): Promise<void>;
};

export async function startIssuer(path = ''): Promise<TestIssuer> {
  let kid = 'first';
  let keys = await generateKeyPair('ES256', { extractable: true });
  let interference: Interference = () => false;
  let fetches = 0;
  const publicJwk = async () => ({ ...(await exportJWK(keys.publicKey)), kid, alg: 'ES256', use: 'sig' });

  const server = createServer(async (request, response) => {
    if (request.url === '/jwks') fetches += 1;
    if (interference(request, response)) return;
    const document = {
      [`/.well-known/oauth-authorization-server${path}`]: { issuer: url, jwks_uri: `${origin}/jwks` },
      '/jwks': { keys: [await publicJwk()] },
    }[request.url ?? ''];
    response
      .writeHead(document ? 200 : 404, { 'content-type': 'application/json' })
      .end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = origin + path;

  return {
    url,
    keyFetches: () => fetches,
    publicJwk,
    sign({ header, claims, key = keys.privateKey, at = NOON } = {}) {
      return new SignJWT({ ...goodClaims(url, at), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, ...header })
        .sign(key);
    },
    async rotate(next) {
      kid = next;
      keys = await generateKeyPair('ES256', { extractable: true });
    },
    interfere(answer) {
      interference = answer;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function goodClaims(issuer: string, at = NOON) {
  const seconds = at.getTime() / 1000;
  return {
    iss: issuer,
    aud: RESOURCE,
    sub: 'user-1',
    client_id: 'client-1',
    jti: 'token-1',
    gid: 'grant-1',
    scope: 'desk:read desk:write',
    iat: seconds,
    exp: seconds + 300,
  };
}
