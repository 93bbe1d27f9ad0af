import { randomUUID } from 'node:crypto';
import { importJWK, type JWK, SignJWT } from 'jose';
import { basicAuthorization, exchangeForm } from './http-exchange.ts';
import type { Scenario } from './scenario.ts';

/** A refresh token, and whose it is; its client is a public one unless it has a secret. */
export type RefreshChain = { clientId: string; clientSecret?: string; refreshToken: string };

/** Refreshing with rotation; each worker has a token of its own, and goes on with what it gets for it. */
export type Refreshes = {
  tokenEndpoint: string;
  /** Which replica is asked; by default the one at the endpoint's own port. */
  port?: number;
  resource: string;
  chains: readonly RefreshChain[];
};

/** Refreshes over and over. */
export function refreshes({ tokenEndpoint, port, resource, chains: given }: Refreshes): Scenario {
  const url = new URL(tokenEndpoint);
  const { host } = url;
  if (port !== undefined) url.port = String(port);
  const chains = given.map((chain) => ({ ...chain }));
  return {
    async step(_nth, worker) {
      const chain = chains[worker];
      if (chain === undefined) throw new Error(`there is no refresh token for worker ${worker}`);
      const { clientId, clientSecret, refreshToken } = chain;
      const form = { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken, resource };
      const authorization = clientSecret === undefined ? {} : basicAuthorization({ clientId, clientSecret });
      const { access_token: access, refresh_token: next } = await exchangeForm(url, form, { host, ...authorization });
      if (typeof access !== 'string' || typeof next !== 'string') throw new Error('no tokens came');
      if (next === refreshToken) throw new Error('the refresh token was not replaced');
      chain.refreshToken = next;
    },
  };
}

/** Tokens for a client that acts for itself; `resource` is left out where it says nothing to the server. */
export type ClientCredentials = {
  tokenEndpoint: string;
  resource: string;
  scope: string;
  client:
    | { clientId: string; clientSecret: string }
    | { clientId: string; privateJwk: JWK /** What an assertion is for. */; audience: string };
};

/** Asks for such tokens over and over; assertions are signed before. */
export async function clientCredentials(settings: ClientCredentials): Promise<Scenario> {
  const { client, scope, resource } = settings;
  const url = new URL(settings.tokenEndpoint);
  const form = { grant_type: 'client_credentials', scope, resource };
  const ask = async (more: Record<string, string>, headers: Record<string, string> = {}) => {
    const { access_token: access } = await exchangeForm(url, { ...form, ...more }, headers);
    if (typeof access !== 'string') throw new Error('no token came');
  };
  if ('clientSecret' in client) {
    const headers = basicAuthorization(client);
    return { step: () => ask({}, headers) };
  }
  const sign = await assertionsOf(client);
  let assertions: string[] = [];
  return {
    async prepare(steps) {
      assertions = await Promise.all(Array.from({ length: steps }, sign));
    },
    step: (nth) =>
      ask({
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertions[nth] ?? '',
      }),
  };
}

async function assertionsOf({
  clientId,
  privateJwk,
  audience,
}: {
  clientId: string;
  privateJwk: JWK;
  audience: string;
}) {
  const key = await importJWK(privateJwk, 'ES256');
  return () =>
    new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: privateJwk.kid ?? '' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime('4m')
      .sign(key);
}

/** Introspection of one token by a client that may. */
export type Introspections = {
  endpoint: string;
  token: string;
  client: { clientId: string; clientSecret: string };
};

/** Asks about the token over and over. */
export function introspections({ endpoint, token, client }: Introspections): Scenario {
  const url = new URL(endpoint);
  const headers = basicAuthorization(client);
  return {
    async step() {
      const { active } = await exchangeForm(url, { token }, headers);
      if (active !== true) throw new Error('the token is not active');
    },
  };
}
