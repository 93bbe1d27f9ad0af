import { ADMIN_SCOPES, adminResourceUrl, CLI_CLIENT_ID } from '@portcullis/platform';
import type { ClientMetadata } from 'oidc-provider';
import type { Resource } from '../resources.ts';
import type { Site } from '../site.ts';

/** How old a sign-in may be when administration is asked for, in seconds. */
export const FRESH_SIGN_IN_SECONDS = 5 * 60;

/** How long after the sign-in an administrator's refresh tokens end for good, in seconds. */
export const ADMIN_REFRESH_SECONDS = 8 * 3600;

/** The admin API as a resource: reserved for clients that were given it by name. */
export function adminResource({ issuer }: Site): Resource {
  return {
    url: adminResourceUrl(issuer),
    name: 'Portcullis administration',
    scopes: Object.fromEntries(
      Object.entries(ADMIN_SCOPES).map(([scope, description]) => [scope, { description, sensitive: false }]),
    ),
    defaultScopes: ['admin:audit'],
    reserved: true,
  };
}

/**
 * The command line as a client: public, because it runs on people's computers, and with a loopback redirect alone,
 * which is why its consent is never remembered (RFC 8252 section 7.3).
 */
export const CLI_CLIENT: ClientMetadata = {
  client_id: CLI_CLIENT_ID,
  client_name: 'Portcullis command line',
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
};
