import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { basicAuthorization, exchangeForm } from '../scenarios/http-exchange.ts';
import type { ClientCredentials } from '../scenarios/token-endpoint.ts';
import type { Machine } from './issuer-about.ts';

/** Makes up a machine: a secret for one client id, a key for another. */
export async function makeMachine(): Promise<Machine> {
  const { publicJwk, privateJwk } = await makeKey('machine');
  return {
    secret: { clientId: 'machine-with-secret', clientSecret: randomBytes(32).toString('base64url') },
    key: { clientId: 'machine-with-key', privateJwk },
    publicJwk,
  };
}

/** An ES256 key in both forms. */
export async function makeKey(kid: string): Promise<{ publicJwk: JWK; privateJwk: JWK }> {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const about = { kid, alg: 'ES256', use: 'sig' };
  return {
    publicJwk: { ...(await exportJWK(pair.publicKey)), ...about },
    privateJwk: { ...(await exportJWK(pair.privateKey)), ...about },
  };
}

/** How the machine asks one server, in both ways. */
export function machineRequests(
  { secret, key }: Pick<Machine, 'secret' | 'key'>,
  target: { tokenEndpoint: string; audience: string; resource: string; scope: string },
): { secret: ClientCredentials; key: ClientCredentials } {
  const { tokenEndpoint, audience, resource, scope } = target;
  const asked = { tokenEndpoint, resource, scope };
  return { secret: { ...asked, client: secret }, key: { ...asked, client: { ...key, audience } } };
}

/** A token for a machine that shows a secret. */
export async function machineToken(
  tokenEndpoint: string,
  { client, form }: { client: Machine['secret']; form: Record<string, string> },
): Promise<string> {
  const asked = { grant_type: 'client_credentials', ...form };
  const { access_token: token } = await exchangeForm(new URL(tokenEndpoint), asked, basicAuthorization(client));
  if (typeof token !== 'string') throw new Error('no token came');
  return token;
}
