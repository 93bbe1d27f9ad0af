import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Provider from 'oidc-provider';
import type { IssuerAbout } from '../peers/issuer-about.ts';

/**
 * oidc-provider as it comes, with its own store in memory: no database, no pages, no checks of ours. It says who is there
 * and that they agree without asking. What an authorization server made of this engine could reach at the most.
 */
const about = JSON.parse(process.argv[2] ?? '{}') as IssuerAbout;
const { origin, resource, scope, machine, signingJwk } = about;

const machineClient = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const provider = new Provider(origin, {
  clients: [
    {
      ...machineClient,
      client_id: machine.secret.clientId,
      client_secret: machine.secret.clientSecret,
      token_endpoint_auth_method: 'client_secret_basic',
    },
    {
      ...machineClient,
      client_id: machine.key.clientId,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [machine.publicJwk] },
    },
  ],
  clientDefaults: { application_type: 'native', id_token_signed_response_alg: 'ES256' },
  clientAuthMethods: ['none', 'client_secret_basic', 'private_key_jwt'],
  cookies: { keys: ['a key for a server that lives for minutes'] },
  jwks: { keys: [signingJwk] },
  scopes: ['openid'],
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope,
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 3600,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
});
const engine = provider.callback();

/** Signs in and agrees in one answer each. */
async function interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') return provider.interactionFinished(request, response, { login: { accountId: 'user' } });
  const grant = new provider.Grant({ accountId: session?.accountId ?? 'user', clientId: String(params.client_id) });
  grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
}

const server = createServer((request, response) => {
  if (!request.url?.startsWith('/interaction/')) return void engine(request, response);
  interact(request, response).catch((cause: unknown) => response.writeHead(500).end(String(cause)));
});
await new Promise<void>((resolve) => server.listen(Number(new URL(origin).port), '127.0.0.1', resolve));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
