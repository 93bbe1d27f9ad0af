import { randomUUID } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { LoopbackServer } from './loopback-server.ts';
import { listenOnLoopback } from './loopback-server.ts';

/** An authorization server that only publishes its metadata and a key, and signs whatever it is asked to. */
export type TokenIssuer = {
  issuer: string;
  /** Signs an access token for `audience` that lives 5 minutes; `claims` replaces or adds. */
  mint(audience: string, claims?: JWTPayload): Promise<string>;
  close(): Promise<void>;
};

/** Starts such an issuer with an ES256 key of its own, on a free loopback port. */
export async function startTokenIssuer(): Promise<TokenIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const key = { ...(await exportJWK(publicKey)), kid: randomUUID(), alg: 'ES256', use: 'sig' };
  const server: LoopbackServer = await listenOnLoopback((request, response) => {
    const issuer = server.origin;
    const documents: Record<string, unknown> = {
      '/.well-known/oauth-authorization-server': metadata(issuer),
      '/.well-known/openid-configuration': metadata(issuer),
      '/jwks': { keys: [key] },
    };
    const document = documents[request.url ?? ''];
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? {}));
  });

  return {
    issuer: server.origin,
    async mint(audience, claims = {}) {
      const now = Math.floor(Date.now() / 1000);
      const standard = {
        iss: server.origin,
        aud: audience,
        sub: 'user-1',
        client_id: 'client-1',
        iat: now,
        exp: now + 300,
      };
      return new SignJWT({ ...standard, jti: randomUUID(), gid: 'grant-1', ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.kid })
        .sign(privateKey);
    },
    close: server.close,
  };
}

function metadata(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
  };
}
