import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { InvalidGrantError, InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import type { OAuthServerProvider } from '@modelcontextprotocol/sdk/server/auth/provider.js';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import type { OAuthClientInformationFull, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import express from 'express';
import type { IssuerAbout } from '../peers/issuer-about.ts';

/**
 * The authorization router of version 1 of the MCP SDK, with the least that its documentation asks for behind it: maps in
 * memory, opaque tokens, a user who agrees without being asked. Its limits are off.
 */
const { origin, scope } = JSON.parse(process.argv[2] ?? '{}') as IssuerAbout;

const LIVES_SECONDS = 3600;
type Given = { clientId: string; challenge: string };
const clients = new Map<string, OAuthClientInformationFull>();
const codes = new Map<string, Given>();
const accessTokens = new Map<string, AuthInfo>();
const refreshTokens = new Map<string, string>();

function tokensFor(clientId: string): OAuthTokens {
  const access = randomUUID();
  const refresh = randomUUID();
  const expiresAt = Math.floor(Date.now() / 1000) + LIVES_SECONDS;
  accessTokens.set(access, { token: access, clientId, scopes: [scope], expiresAt });
  refreshTokens.set(refresh, clientId);
  return { access_token: access, token_type: 'bearer', expires_in: LIVES_SECONDS, scope, refresh_token: refresh };
}

function takeOnce<Value>(kept: Map<string, Value>, key: string): Value {
  const value = kept.get(key);
  if (value === undefined) throw new InvalidGrantError('unknown');
  kept.delete(key);
  return value;
}

const provider: OAuthServerProvider = {
  clientsStore: {
    getClient: (id) => clients.get(id),
    registerClient(client) {
      const registered = { ...client, client_id: randomUUID(), client_id_issued_at: Math.floor(Date.now() / 1000) };
      clients.set(registered.client_id, registered);
      return registered;
    },
  },
  async authorize(client, { redirectUri, state, codeChallenge }, response) {
    const code = randomUUID();
    codes.set(code, { clientId: client.client_id, challenge: codeChallenge });
    const back = new URL(redirectUri);
    back.searchParams.set('code', code);
    if (state !== undefined) back.searchParams.set('state', state);
    response.redirect(back.href);
  },
  challengeForAuthorizationCode: async (_client, code) => codes.get(code)?.challenge ?? '',
  exchangeAuthorizationCode: async (_client, code) => tokensFor(takeOnce(codes, code).clientId),
  exchangeRefreshToken: async (_client, token) => tokensFor(takeOnce(refreshTokens, token)),
  async verifyAccessToken(token) {
    const info = accessTokens.get(token);
    if (info === undefined) throw new InvalidTokenError('unknown');
    return info;
  },
};

const unlimited = { rateLimit: false } as const;
const app = express();
app.use(
  mcpAuthRouter({
    provider,
    issuerUrl: new URL(origin),
    scopesSupported: [scope],
    authorizationOptions: unlimited,
    tokenOptions: unlimited,
    clientRegistrationOptions: unlimited,
  }),
);
const server = createServer(app);
await new Promise<void>((resolve) => server.listen(Number(new URL(origin).port), '127.0.0.1', resolve));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
