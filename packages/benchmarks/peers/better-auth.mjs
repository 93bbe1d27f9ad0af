import { once } from 'node:events';
import { createServer } from 'node:http';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import pg from 'pg';

/**
 * better-auth with its OAuth provider on PostgreSQL, as its documentation sets it up; its limits are off, and its
 * passwords are hashed as it does by itself (scrypt). One argument, as JSON: where the database is, its own address, the
 * resource that tokens are for with the scope, who signs in, and the public key of a machine.
 */
const { databaseUrl, origin, resource, scope, person, machineJwk } = JSON.parse(process.argv[2]);

const auth = betterAuth({
  baseURL: origin,
  secret: 'a secret of a server that lives for minutes on loopback alone',
  database: new pg.Pool({ connectionString: databaseUrl, max: 10 }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'error' },
  plugins: [
    jwt({ jwks: { keyPairConfig: { alg: 'ES256' } } }),
    oauthProvider({
      loginPage: '/login',
      consentPage: '/consent',
      scopes: ['openid', 'offline_access', scope],
      resources: [resource],
      enforcePerClientResources: false,
      clientPrivileges: () => true,
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
});

await (await getMigrations(auth.options)).runMigrations();
const { headers: signedUp } = await auth.api.signUpEmail({ body: { ...person, name: 'Owner' }, returnHeaders: true });
const cookie = signedUp
  .getSetCookie()
  .map((line) => line.split(';', 1)[0])
  .join('; ');
const machine = (more) =>
  auth.api.adminCreateOAuthClient({
    headers: new Headers({ cookie }),
    body: {
      client_name: 'Machine',
      grant_types: ['client_credentials'],
      scope,
      client_credentials_scopes: [scope],
      redirect_uris: ['https://machine.example/unused'],
      ...more,
    },
  });
const withSecret = await machine({ token_endpoint_auth_method: 'client_secret_basic' });
const withKey = await machine({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [machineJwk] } });

const server = createServer(toNodeHandler(auth));
server.listen(Number(new URL(origin).port), '127.0.0.1');
await once(server, 'listening');
process.on('disconnect', () => process.exit(0));
process.send?.({
  withSecret: { clientId: withSecret.client_id, clientSecret: withSecret.client_secret },
  withKey: { clientId: withKey.client_id },
});
